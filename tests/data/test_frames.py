"""Rows as data frames, spreadsheets and Spark leave them: read as they were meant, or refused by name."""

import datetime
import json
import math

import pytest

from truing.core.errors import DataError
from truing.data.frames import settled
from truing.data.load import load_records
from truing.data.read import read_rows
from truing.data.rows import RowError

ASK, SAY = {"role": "user", "content": 'Say "it\'s" ] {.'}, {"role": "assistant", "content": "it's"}
TURNS = [ASK, SAY]
PAIR = {"prompt": "q", "chosen": "a", "rejected": "b"}


def numpys(turns: list[dict]) -> str:
    return "[" + "\n ".join(map(str, turns)) + "]"


@pytest.mark.parametrize("spell", [str, json.dumps, numpys])
def test_text_that_spells_messages_is_messages(spell):
    assert settled({"messages": spell(TURNS)}) == {"messages": TURNS}
    row = {"prompt": spell([ASK]), "chosen": spell([SAY]), "rejected": spell([SAY | {"content": "no"}])}
    assert settled(row) == {"prompt": [ASK], "chosen": [SAY], "rejected": [SAY | {"content": "no"}]}
    assert settled({"prompt": "q"} | {key: row[key] for key in ("chosen", "rejected")})["chosen"] == [SAY]
    assert settled({"prompt": [ASK], "completion": spell([SAY])})["completion"] == [SAY]


def test_a_response_in_json_to_a_prompt_in_words_is_what_was_said():
    row = {"prompt": "Write a chat as JSON.", "completion": json.dumps(TURNS)}
    assert settled(row) == row
    assert settled(row | {"completion": "[1, 2"}) == row | {"completion": "[1, 2"}


@pytest.mark.parametrize(
    "text", [str(TURNS)[:-3] + "]", "[{'role': 'user', 'content': '5}]", json.dumps(TURNS)[:40]]
)
def test_text_that_means_to_be_messages_and_is_not_is_never_a_prompt(text):
    with pytest.raises(RowError) as caught:
        settled({"prompt": text, "completion": "r"})
    assert caught.value.code == "spelled-messages"


def test_prompts_that_only_begin_with_a_bracket_stay_text():
    row = {"prompt": '[{"role": "user"}] is what I have; why is it refused?', "completion": "r"}
    assert settled(row) == row


@pytest.mark.parametrize(
    ("text", "spelled"),
    [("[2, 1]", [2, 1]), ("[0.5 4. ]", [0.5, 4.0]), ("['a' 'b']", ["a", "b"]), ("x", "x")],
)
def test_lists_as_they_stand_in_a_cell(text, spelled):
    assert settled({"responses": text})["responses"] == spelled
    assert settled({"response": text})["response"] == text


def test_a_blank_cell_is_no_opinion():
    row = {"prompt": "q", "completion": "r", "label": "", "rejected_response": ""}
    assert settled(row) == {"prompt": "q", "completion": "r", "label": None, "rejected_response": None}


def test_layouts_of_messages():
    by_field = {"role": ["user", "assistant"], "content": [ASK["content"], SAY["content"]], "name": None}
    assert settled({"messages": by_field}) == {"messages": TURNS}
    assert settled({"messages": [TURNS]}) == {"messages": TURNS}
    assert settled({"chosen": SAY})["chosen"] == SAY


def test_nan_is_missing_but_where_a_number_is_read(tmp_path):
    assert settled({"a": math.nan, "b": [{"c": math.inf}]}) == {"a": None, "b": [{"c": None}]}
    lines = [PAIR | {"rating": math.nan}, PAIR | {"margin": math.nan}]
    (tmp_path / "a.jsonl").write_text("".join(json.dumps(row) + "\n" for row in lines))
    loaded = load_records(tmp_path / "a.jsonl", bad_rows="skip")
    assert [record.number for record in loaded.records] == [1]
    assert "`margin` is nan" in loaded.problems[0]


def frame(orient: str) -> object:
    rows = [{"prompt": "a", "n": 1}, {"prompt": "b", "n": 2}]
    numbered = {str(index): row for index, row in enumerate(rows)}
    return {
        "records": rows,
        "columns": {key: {index: row[key] for index, row in numbered.items()} for key in rows[0]},
        "index": numbered,
        "split": {"columns": ["prompt", "n"], "index": [0, 1], "data": [["a", 1], ["b", 2]]},
        "table": {"schema": {"fields": [{"name": "prompt"}]}, "data": rows},
    }[orient]


@pytest.mark.parametrize("orient", ["records", "columns", "index", "split", "table"])
def test_every_json_of_pandas_holds_its_rows(tmp_path, orient):
    (tmp_path / "a.json").write_text(json.dumps(frame(orient)))
    found = list(read_rows(tmp_path / "a.json"))
    assert [row.value for row in found] == [{"prompt": "a", "n": 1}, {"prompt": "b", "n": 2}]
    assert [row.place for row in found] == ["a.json:1#1", "a.json:1#2"]


SHEETS = {
    "index column": b",prompt,chosen\n0,a,b\n",
    "semicolons": b"prompt;chosen\na;b\n",
    "sep= line": b"\xef\xbb\xbfsep=|\r\nprompt|chosen\r\na|b\r\n",
    "tabs under .csv": b"prompt\tchosen\na\tb\n",
    "blank records": b"prompt,chosen\n,\na,b\n, \n",
    "blank cells at the end": b"prompt,chosen\na,b,,\n",
    "carriage returns": b"prompt,chosen\ra,b\r",
    "UTF-16": "prompt\tchosen\na\tb\n".encode("utf-16"),
}


@pytest.mark.parametrize("kind", SHEETS)
def test_spreadsheets(tmp_path, kind):
    (tmp_path / "a.csv").write_bytes(SHEETS[kind])
    (row,) = read_rows(tmp_path / "a.csv")
    assert row.value is not None
    assert (row.value["prompt"], row.value["chosen"]) == ("a", "b")


def test_a_line_that_names_the_delimiter_counts_as_a_line(tmp_path):
    (tmp_path / "a.csv").write_bytes(b"sep=;\nprompt;chosen\na;b\n")
    assert [row.place for row in read_rows(tmp_path / "a.csv")] == ["a.csv:3"]


@pytest.mark.parametrize(
    ("head", "said", "way"),
    [
        (b"PK\x03\x04", "Excel workbook", "read_excel"),
        (b"\xd0\xcf\x11\xe0", "old kind", "read_excel"),
        (b"BZh91", "bzip2", "bunzip2"),
        (b"SQLite format 3\x00", "SQLite", "sqlite3 -json"),
    ],
)
def test_other_kinds_are_told_by_their_first_bytes_with_the_way_to_rows(tmp_path, head, said, way):
    (tmp_path / "a.csv").write_bytes(head + b"\x00" * 20)
    with pytest.raises(DataError, match=said) as caught:
        list(read_rows(tmp_path / "a.csv"))
    assert way in caught.value.hint


def test_a_code_page_is_named_with_the_command_that_converts_it(tmp_path):
    (tmp_path / "a.csv").write_bytes("prompt,completion\nWas heißt café?,Kaffee\n".encode("cp1252"))
    with pytest.raises(DataError, match="not UTF-8") as caught:
        load_records(tmp_path / "a.csv")
    assert "iconv -f WINDOWS-1252 -t UTF-8" in caught.value.hint


def test_a_folder_of_sparks_is_its_parts(tmp_path):
    folder = tmp_path / "rows.json"
    folder.mkdir()
    for number in (1, 0):
        (folder / f"part-0000{number}-x.json").write_text(json.dumps(PAIR | {"prompt": f"q{number}"}) + "\n")
    (folder / "_SUCCESS").write_text("")
    (folder / ".part-00000-x.json.crc").write_bytes(b"crc")
    loaded = load_records(folder)
    assert [record.prompt[0].content for record in loaded.records] == ["q0", "q1"]
    assert [record.id for record in loaded.records] == [(0, 1), (1, 1)]


def test_parquet_as_frames_write_it(tmp_path):
    pyarrow, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    table = pyarrow.table(
        {
            "prompt": pyarrow.array([b"q", b"\xff"], pyarrow.binary()),
            "completion": ["r", "r"],
            "picture": pyarrow.array([b"\x00\xff", b"x"], pyarrow.binary()),
            "when": [datetime.datetime(2026, 1, 1)] * 2,
            "rating": [math.nan, 1.0],
        }
    )
    parquet.write_table(table, tmp_path / "a.parquet")
    pytest.importorskip("pyarrow.feather").write_feather(
        table, tmp_path / "a.feather", compression="uncompressed"
    )
    for name in ("a.parquet", "a.feather"):
        first, second = read_rows(tmp_path / name)
        assert first.value == {
            "prompt": "q", "completion": "r", "picture": "AP8=", "when": "2026-01-01 00:00:00",
            "rating": None,
        }  # fmt: skip
        assert second.error is not None
        assert "`prompt` holds bytes" in second.error.message


def test_a_date_is_no_prompt_and_a_map_is_an_object(tmp_path):
    pyarrow, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    turns = pyarrow.list_(pyarrow.map_(pyarrow.string(), pyarrow.string()))
    columns = {
        "prompt": [datetime.date(2026, 1, 1), None],
        "messages": pyarrow.array([None, [list(turn.items()) for turn in TURNS]], turns),
    }
    parquet.write_table(pyarrow.table(columns), tmp_path / "a.parquet")
    dated, mapped = read_rows(tmp_path / "a.parquet")
    assert dated.error is not None
    assert dated.error.message == "`prompt` is a date, expected text"
    assert mapped.value == {"prompt": None, "messages": TURNS}


def test_two_columns_of_one_name_are_refused(tmp_path):
    pyarrow, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    table = pyarrow.Table.from_arrays(
        [pyarrow.array(["a"]), pyarrow.array(["b"])], names=["prompt", "prompt"]
    )
    parquet.write_table(table, tmp_path / "a.parquet")
    with pytest.raises(DataError, match="two columns called prompt"):
        list(read_rows(tmp_path / "a.parquet"))
