"""Files into raw rows: places, exact bytes and damage, worked out by hand."""

import gzip
import json
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import zstandard

from truing.core.errors import DataError
from truing.data.read import read_rows
from truing.data.rows import MAX_ROW_BYTES, excerpt

ROWS = [
    {"prompt": "你好", "chosen": "a", "rejected": "b"},
    {"prompt": "q\n2", "chosen": 'say "x"', "rejected": "d,e"},
]


def read(path: Path, content: bytes | str) -> list:
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return list(read_rows(path))


def code(row) -> str | None:
    return row.error.code if row.error else None


def test_jsonl_places_count_blank_lines_and_raw_is_the_line(tmp_path):
    rows = read(tmp_path / "a.jsonl", b'{"a": 1}\n\n  \n{"a":2}\r\n{"a": 3}')
    assert [(row.place, row.line) for row in rows] == [("a.jsonl:1", 1), ("a.jsonl:4", 4), ("a.jsonl:5", 5)]
    assert [row.value for row in rows] == [{"a": 1}, {"a": 2}, {"a": 3}]
    assert rows[1].raw == b'{"a":2}\r'


def test_byte_order_mark_is_accepted_on_the_first_line_only(tmp_path):
    rows = read(tmp_path / "a.jsonl", b'\xef\xbb\xbf{"a": 1}\n\xef\xbb\xbf{"a": 2}\n')
    assert rows[0].value == {"a": 1}
    assert rows[0].raw == b'\xef\xbb\xbf{"a": 1}'
    assert code(rows[1]) == "bom"


DAMAGE = {
    "cut": (b'{"a": "x', "broken-json"),
    "list": (b"[]", "not-an-object"),
    "text": (b'"a"', "not-an-object"),
    "null": (b"null", "not-an-object"),
    "duplicate": (b'{"a": 1, "a": 2}', "duplicate-key"),
    "nested duplicate": (b'{"b": {"a": 1, "a": 2}}', "duplicate-key"),
    "utf8": (b'{"a": "\xff"}', "invalid-utf8"),
    "nul": (b'{"a": "\x00"}', "nul"),
    "escaped nul": (b'{"a": "\\u0000"}', "nul"),
    "surrogate": (b'{"a": ["\\ud83d"]}', "lone-surrogate"),
    "surrogate key": (b'{"\\udc00": 1}', "lone-surrogate"),
    "tail": (b'{"a": 1} {"a": 2}', "broken-json"),
    "long": (b'{"a": "' + b"x" * MAX_ROW_BYTES + b'"}', "too-long"),
    "deep": (b'{"a": ' + b"[" * 100_000 + b"}", "too-deep"),
    "digits": (b'{"a": ' + b"9" * 5000 + b"}", "bad-number"),
}


@pytest.mark.parametrize("name", DAMAGE)
def test_damage_is_a_row_with_a_code_and_its_exact_bytes(tmp_path, name):
    raw, expected = DAMAGE[name]
    rows = read(tmp_path / "a.jsonl", b'{"a": 0}\n' + raw + b'\n{"a": 9}\n')
    assert [code(row) for row in rows] == [None, expected, None]
    assert rows[1].raw == raw
    assert rows[1].place == "a.jsonl:2"
    assert len(rows[1].error.message) < 160


def test_a_whole_surrogate_pair_is_fine(tmp_path):
    assert read(tmp_path / "a.jsonl", rb'{"a": "\ud83d\ude00"}')[0].value == {"a": "😀"}


def test_array_elements_have_their_line_and_bytes(tmp_path):
    rows = read(tmp_path / "a.json", '[\n  {"a": 1},\n  {\n    "a": "你"\n  }, {"a": 3}\n]\n')
    assert [(row.line, row.value) for row in rows] == [(2, {"a": 1}), (3, {"a": "你"}), (5, {"a": 3})]
    assert rows[1].raw.decode() == '{\n    "a": "你"\n  }'


def test_damaged_array_elements_cost_one_row_each(tmp_path):
    rows = read(
        tmp_path / "a.json", b'[{"a": 1},\n{"a": "\t"},\n{"a": 1, "a": 2},\n{"a": "\xff"},\n[],\n{"a": 6}]'
    )
    codes = [None, "broken-json", "duplicate-key", "invalid-utf8", "not-an-object", None]
    assert [code(row) for row in rows] == codes
    assert [row.line for row in rows] == [1, 2, 3, 4, 5, 6]
    assert rows[3].raw == b'{"a": "\xff"}'


@pytest.mark.parametrize("rest", ['{"a": 3, "b"\n{"a": 4}]', '{"a": "cut'])
def test_an_array_that_breaks_off_ends_in_one_bad_row(tmp_path, rest):
    rows = read(tmp_path / "a.json", '[{"a": 1},\n{"a": 2},\n' + rest)
    assert [(row.line, code(row)) for row in rows] == [(1, None), (2, None), (3, "broken-json")]
    assert rows[2].raw.decode() == rest


def test_an_array_without_its_bracket_reports_the_missing_end(tmp_path):
    rows = read(tmp_path / "a.json", '[{"a": 1},\n{"a": 2}\n')
    assert [(row.line, code(row)) for row in rows] == [(1, None), (2, None), (3, "broken-json")]


def test_object_with_one_list_inside(tmp_path):
    rows = read(
        tmp_path / "a.json", '{"version": "1", "tags": ["x"],\n "data": [{"a": 1},\n {"a": 2}], "n": 2}'
    )
    assert [(row.line, row.value) for row in rows] == [(2, {"a": 1}), (3, {"a": 2})]
    with pytest.raises(DataError, match="more than one list"):
        read(tmp_path / "b.json", '{"train": [{"a": 1}], "test": [{"a": 2}]}')


def test_json_suffix_may_hold_jsonl_or_one_row(tmp_path):
    assert [row.line for row in read(tmp_path / "a.json", '{"a": 1}\n{"a": 2}\n')] == [1, 2]
    rows = read(tmp_path / "b.json", '\n{"messages": [{"role": "user",\n "content": "x"}]}')
    assert [(row.line, list(row.value)) for row in rows] == [(2, ["messages"])]
    assert [code(row) for row in read(tmp_path / "c.json", '{"a": 1}\n{"a"\n{"a": 3}')] == [
        None,
        "broken-json",
        None,
    ]


def test_jsonl_suffix_may_hold_an_array(tmp_path):
    assert [row.value for row in read(tmp_path / "a.jsonl", '[{"a": 1},\n{"a": 2}]')] == [{"a": 1}, {"a": 2}]


def test_unknown_suffix_is_sniffed(tmp_path):
    assert read(tmp_path / "rows", '[{"a": 1}]')[0].value == {"a": 1}
    assert read(tmp_path / "rows.txt", '{"a": 1}\n{"a": 2}')[1].value == {"a": 2}
    with pytest.raises(DataError, match="none of the kinds"):
        read(tmp_path / "rows.bin", "hello")


def test_csv_skips_comments_and_keeps_multi_line_records(tmp_path):
    content = '# version=1, "quoted\n\nprompt,chosen\n"a\nb",c\n\nd,"e ""f"""\r\n'
    rows = read(tmp_path / "a.csv", "\ufeff" + content)
    assert [(row.line, row.value) for row in rows] == [
        (4, {"prompt": "a\nb", "chosen": "c"}),
        (7, {"prompt": "d", "chosen": 'e "f"'}),
    ]
    assert rows[0].raw == b'"a\nb",c'


def test_csv_damage(tmp_path):
    rows = read(tmp_path / "a.csv", b'a,b\n1,2\n3\n\xff,4\n5,\x00\n"x"y,6\n7,8\n9,"open\n1,2\n')
    codes = [None, "column-count", "invalid-utf8", "nul", "broken-csv", None, "broken-csv"]
    assert [code(row) for row in rows] == codes
    assert [row.line for row in rows] == [2, 3, 4, 5, 6, 7, 8]
    assert rows[-1].raw == b'9,"open\n1,2'


def test_csv_cells_that_spell_messages_become_lists_and_other_text_stays(tmp_path):
    messages = json.dumps([{"role": "user", "content": "x"}]).replace('"', '""')
    rows = read(tmp_path / "a.csv", f'prompt,chosen,sort\n"{messages}","[1, 2]","[1, 0]"\n')
    assert rows[0].value == {"prompt": [{"role": "user", "content": "x"}], "chosen": "[1, 2]", "sort": [1, 0]}


def test_csv_header_with_a_name_twice(tmp_path):
    with pytest.raises(DataError, match=r"a.csv:1: the header"):
        read(tmp_path / "a.csv", "a,a\n1,2\n")


def test_tsv(tmp_path):
    assert read(tmp_path / "a.tsv", "a\tb\n1,5\t2\n")[0].value == {"a": "1,5", "b": "2"}


def test_parquet_and_compression(tmp_path):
    pyarrow, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")

    parquet.write_table(pyarrow.Table.from_pylist(ROWS), tmp_path / "a.parquet", row_group_size=1)
    rows = list(read_rows(tmp_path / "a.parquet"))
    assert [(row.place, row.value) for row in rows] == [("a.parquet:1", ROWS[0]), ("a.parquet:2", ROWS[1])]
    lines = b"\n".join(json.dumps(row).encode() for row in ROWS)
    (tmp_path / "a.jsonl.gz").write_bytes(gzip.compress(lines))
    (tmp_path / "a.jsonl.zst").write_bytes(zstandard.compress(lines))
    (tmp_path / "a.parquet.gz").write_bytes(gzip.compress((tmp_path / "a.parquet").read_bytes()))
    for name in ("a.jsonl.gz", "a.jsonl.zst", "a.parquet.gz"):
        assert [row.value for row in read_rows(tmp_path / name)] == ROWS


@pytest.mark.parametrize(("name", "library"), [("a.parquet", "pyarrow"), ("a.zst", "zstandard")])
def test_missing_library_names_what_to_install(tmp_path, monkeypatch, name, library):
    monkeypatch.setitem(sys.modules, library, None)
    magic = b"PAR1" if name.endswith("parquet") else b"\x28\xb5\x2f\xfd"
    with pytest.raises(DataError, match=library) as caught:
        read(tmp_path / name, magic + b"....")
    assert caught.value.hint == "pip install pyarrow zstandard"


def test_damaged_containers(tmp_path):
    whole = gzip.compress(b'{"a": "' + bytes(range(35, 91)) * 50 + b'"}\n')
    with pytest.raises(DataError, match="cannot be read to its end"):
        read(tmp_path / "a.jsonl.gz", whole[:-12])
    with pytest.raises(DataError, match="damaged"):
        read(tmp_path / "a.parquet", b"PAR1 nonsense PAR1")
    with pytest.raises(DataError, match="damaged"):
        read(tmp_path / "a.jsonl.zst", zstandard.compress(b'{"a": 1}')[:6] + b"\xff\xff\xff")


def test_missing_file_names_the_nearest(tmp_path):
    (tmp_path / "pairs.jsonl").write_text("{}")
    with pytest.raises(DataError, match="does not exist") as caught:
        list(read_rows(tmp_path / "pair.jsonl"))
    assert caught.value.hint == f"did you mean {tmp_path / 'pairs.jsonl'}?"
    assert caught.value.exit_code == 3


@pytest.mark.parametrize(
    ("content", "said"), [(b"", "is empty"), (b"\n \n", "no rows"), (b"\xff\xfea\x00b", "UTF-16")]
)
def test_files_without_rows(tmp_path, content, said):
    with pytest.raises(DataError, match=said) as caught:
        read(tmp_path / "a.jsonl", content)
    assert caught.value.hint


def test_a_folder_is_refused(tmp_path):
    with pytest.raises(DataError, match="is a folder"):
        list(read_rows(tmp_path))


def test_hub_rows_come_from_datasets(monkeypatch):
    asked = []

    def load_dataset(name, split):
        asked.append((name, split))
        return ROWS

    monkeypatch.setitem(sys.modules, "datasets", SimpleNamespace(load_dataset=load_dataset))
    rows = list(read_rows("hub:org/pairs:test"))
    assert [row.value for row in rows] == ROWS
    assert rows[1].place == "org/pairs:2"
    list(read_rows("hub:org/pairs"))
    assert asked == [("org/pairs", "test"), ("org/pairs", "train")]


def test_hub_without_the_library_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(DataError) as caught:
        list(read_rows("hub:org/pairs"))
    assert caught.value.hint == "pip install datasets"


@pytest.mark.parametrize("value", ["x" * 1000, {"a": "x" * 1000}, "\x1b[31m", 5, None])
def test_excerpts_are_short_and_printable(value):
    assert len(excerpt(value)) <= 80
    assert excerpt(value).isprintable()


@pytest.mark.parametrize("kept", [0.5, 0.97])
def test_zstd_that_breaks_off_is_refused(tmp_path, kept):
    data = zstandard.compress(b"".join(b'{"a": %d}\n' % (number * 7919 % 9973) for number in range(5000)))
    (tmp_path / "a.jsonl.zst").write_bytes(data[: int(kept * len(data))])
    with pytest.raises(DataError, match="cannot be read to its end"):
        list(read_rows(tmp_path / "a.jsonl.zst"))


def test_zstd_of_several_frames_is_read_whole(tmp_path):
    frames = [zstandard.compress(b'{"a": %d}\n' % number) for number in range(3)]
    (tmp_path / "a.jsonl.zst").write_bytes(b"".join(frames))
    assert [row.value for row in read_rows(tmp_path / "a.jsonl.zst")] == [
        {"a": number} for number in range(3)
    ]
