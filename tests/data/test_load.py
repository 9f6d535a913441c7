"""Loading: D1 (damage is counted and kept), D2 (containers make no difference), the real public rows."""

import csv
import gzip
import json
from pathlib import Path

import pytest
import zstandard
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from truing.core.errors import DataError, StorageError
from truing.core.records import Kind
from truing.data import load
from truing.data.load import load_records
from truing.data.rows import MAX_ROW_BYTES

SHARED = Path(__file__).parents[3] / "shared" / "data"
CHAT = {"role": "user", "content": "q"}


def good(index: int) -> dict:
    return {"prompt": f"问题 {index}", "chosen": f"好 {index}", "rejected": f"bad {index}", "category": "x"}


def line(row: dict) -> bytes:
    return json.dumps(row, ensure_ascii=False).encode()


def write(path: Path, lines: list[bytes]) -> Path:
    path.write_bytes(b"\n".join(lines) + b"\n")
    return path


DAMAGE = {
    "broken-json": b'{"prompt": "q", "chosen": "a", "rej',
    "not-an-object": b"[]",
    "duplicate-key": b'{"prompt": "q", "chosen": "a", "chosen": "c", "rejected": "b"}',
    "bom": b'\xef\xbb\xbf{"prompt": "q", "chosen": "a", "rejected": "b"}',
    "invalid-utf8": b'{"prompt": "\xe4\xbd", "chosen": "a", "rejected": "b"}\r',
    "nul": b'{"prompt": "\x00", "chosen": "a", "rejected": "b"}',
    "too-long": b'{"prompt": "' + b"x" * MAX_ROW_BYTES + b'", "chosen": "a", "rejected": "b"}',
    "missing-chosen": b'{"prompt": "q", "rejected": "b"}',
    "missing-rejected": b'{"prompt": "q", "chosen": "a", "rejected": null}',
    "wrong-type": b'{"prompt": "q", "chosen": [5], "rejected": "b"}',
    "empty-response": b'{"prompt": "q", "chosen": "", "rejected": "b"}',
    "empty-prompt": b'{"prompt": "", "chosen": "a", "rejected": "b"}',
    "identical-pair": b'{"prompt": "q", "chosen": "a", "rejected": "a"}',
    "role-order": line({"prompt": [CHAT, CHAT | {"role": "assistant"}], "chosen": "a", "rejected": "b"}),
    "unknown-role": line({"prompt": [CHAT | {"role": "narrator"}], "chosen": "a", "rejected": "b"}),
    "lone-surrogate": b'{"prompt": "\\ud800", "chosen": "a", "rejected": "b"}',
    "bad-number": b'{"prompt": "q", "chosen": "a", "rejected": "b", "margin": "wide"}',
}


def test_d1_every_damage_is_counted_placed_and_kept_byte_for_byte(tmp_path):
    lines = [line(good(index)) for index in range(1000)]
    for number, raw in enumerate(DAMAGE.values()):
        lines[50 * number + 7] = raw
    lines[900] += b"\r"  # CRLF is no damage
    path, quarantine = write(tmp_path / "pairs.jsonl", lines), tmp_path / "out" / "quarantine.jsonl"
    loaded = load_records(path, bad_rows="skip", quarantine=quarantine)
    (report,) = loaded.sources
    assert dict(report.set_aside) == dict.fromkeys(DAMAGE, 1)
    assert (report.read, report.kept) == (1000, 1000 - len(DAMAGE))
    assert quarantine.read_bytes() == b"".join(raw + b"\n" for raw in DAMAGE.values())
    reasons = [json.loads(each) for each in (tmp_path / "out" / "quarantine.reasons.jsonl").open()]
    places = [f"pairs.jsonl:{50 * number + 8}" for number in range(len(DAMAGE))]
    assert [(each["place"], each["code"]) for each in reasons] == list(zip(places, DAMAGE, strict=True))
    assert [each["bytes"] for each in reasons] == [len(raw) for raw in DAMAGE.values()]
    assert all(
        problem.startswith(f"{place}: {code}: ")
        for problem, place, code in zip(loaded.problems, places, DAMAGE, strict=True)
    )
    assert all(len(problem) < 200 for problem in loaded.problems)
    assert loaded.records[0].place == "pairs.jsonl:1"
    assert loaded.records[-1].place == "pairs.jsonl:1000"
    assert report.describe().startswith(
        f"pairs.jsonl: {1000 - len(DAMAGE)}/1000 rows, preference; {len(DAMAGE)} set aside: 1 "
    )


def test_more_than_one_percent_bad_stops_and_names_the_first_five(tmp_path):
    lines = [line(good(index)) for index in range(200)]
    lines[2:9:3] = [b"{"] * 3
    quarantine = tmp_path / "quarantine.jsonl"
    with pytest.raises(DataError, match=r"3 of 200 rows are bad, more than 1 %") as caught:
        load_records(write(tmp_path / "a.jsonl", lines), quarantine=quarantine)
    assert caught.value.exit_code == 3
    assert all(f"a.jsonl:{number}: broken-json: column 2" in str(caught.value) for number in (3, 6, 9))
    assert "--bad-rows skip" in caught.value.hint
    assert "data.bad_rows: skip" in caught.value.hint
    assert quarantine.read_bytes() == b"{\n{\n{\n"


def test_a_quarantine_that_cannot_be_written(tmp_path):
    path = write(tmp_path / "a.jsonl", [line(good(0))])
    with pytest.raises(StorageError, match="cannot be made"):
        load_records(path, quarantine=path / "quarantine.jsonl")


def test_one_percent_bad_goes_on(tmp_path):
    lines = [line(good(index)) for index in range(200)]
    lines[4:6] = [b"{", b"[]"]
    loaded = load_records(write(tmp_path / "a.jsonl", lines))
    assert len(loaded.records) == 198
    assert len(loaded.problems) == 2


def test_a_row_without_chosen_is_a_bad_row_not_another_format(tmp_path):
    lines = [line(good(0)), line({"prompt": "q", "rejected": "b"}), line(good(2))]
    path = write(tmp_path / "a.jsonl", lines)
    with pytest.raises(DataError, match=r"a.jsonl:2: missing-chosen: no `chosen`"):
        load_records(path)
    assert load_records(path, bad_rows="skip").sources[0].format == "preference"


@pytest.mark.parametrize("lines", [[b"{", b"["], [line({"prompt": "q", "chosen": "a", "rejected": "a"})]])
@pytest.mark.parametrize("bad_rows", ["stop", "skip"])
def test_nothing_usable_is_always_an_error(tmp_path, lines, bad_rows):
    with pytest.raises(DataError, match=f"none of its {len(lines)} rows"):
        load_records(write(tmp_path / "a.jsonl", lines), bad_rows=bad_rows)


@pytest.mark.parametrize(
    ("name", "content"), [("a.json", "[]"), ("a.csv", "prompt,chosen\n"), ("a.jsonl", "")]
)
def test_a_file_of_no_rows(tmp_path, name, content):
    (tmp_path / name).write_text(content)
    with pytest.raises(DataError, match=r"no rows|empty"):
        load_records(tmp_path / name)


def test_errors_of_detection_name_the_file(tmp_path):
    path = write(tmp_path / "a.jsonl", [line({"prompt": "q", "chosen": "a"})])
    with pytest.raises(DataError, match=r"a.jsonl: .*no `rejected`"):
        load_records(path)


def test_a_named_format_is_not_detected(tmp_path):
    row = {"instruction": "q", "output": "r", "prompt": "p", "completion": "c"}
    path = write(tmp_path / "a.jsonl", [line(row)])
    with pytest.raises(DataError, match="more than one way"):
        load_records(path)
    assert load_records(path, format="alpaca").records[0].prompt[0].content == "q"
    assert load_records(path, format="prompt-completion").records[0].prompt[0].content == "p"


def test_what_was_set_aside_is_not_read_again(tmp_path):
    rows = write(tmp_path / "rows.jsonl", [line(good(1)), b"{", line(good(2))])
    aside = tmp_path / "rows.jsonl.quarantine.jsonl"
    load_records(rows, bad_rows="skip", quarantine=aside)
    assert aside.exists() and (tmp_path / "rows.jsonl.quarantine.reasons.jsonl").exists()
    assert [s.path for s in load_records(str(tmp_path / "*.jsonl"), bad_rows="skip").sources] == [str(rows)]
    write(rows, [line(good(1))])
    load_records(rows, quarantine=aside)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["rows.jsonl"]


def test_several_files_and_patterns_in_order(tmp_path):
    for number in (2, 1):
        write(tmp_path / f"part{number}.jsonl", [line(good(number))])
    other = tmp_path / "sft.json"
    other.write_text('[{"src": "q", "tgt": "r"}]')
    loaded = load_records([str(tmp_path / "part*.jsonl"), other, tmp_path / "part1.jsonl"])
    assert [record.place for record in loaded.records] == ["part1.jsonl:1", "part2.jsonl:1", "sft.json:1"]
    assert [source.format for source in loaded.sources] == ["preference", "preference", "paddle"]
    with pytest.raises(DataError, match="no file matches"):
        load_records(str(tmp_path / "*.parquet"))


def test_d2_the_container_makes_no_difference(tmp_path):
    pyarrow, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")

    rows = [good(index) | {"chosen": f'say "{index}",\nthen stop'} for index in range(7)]
    lines = b"\n".join(map(line, rows)) + b"\n"
    (tmp_path / "a.json").write_text(json.dumps(rows, indent=2))
    (tmp_path / "a.jsonl").write_bytes(lines)
    (tmp_path / "a.jsonl.gz").write_bytes(gzip.compress(lines))
    (tmp_path / "a.jsonl.zst").write_bytes(zstandard.compress(lines))
    (tmp_path / "a.json.gz").write_bytes(gzip.compress(json.dumps({"data": rows}).encode()))
    with (tmp_path / "a.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    parquet.write_table(pyarrow.Table.from_pylist(rows), tmp_path / "a.parquet")
    found = {}
    for path in sorted(tmp_path.iterdir()):
        loaded = load_records(path)
        found[path.name] = [(record.prompt, record.responses, record.category) for record in loaded.records]
    assert len(found) == 7
    assert len(found["a.json"]) == 7
    assert all(records == found["a.json"] for records in found.values())


def test_d2_messages_survive_csv_and_parquet(tmp_path):
    pyarrow, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")

    row = {"messages": [CHAT, {"role": "assistant", "content": "r"}], "label": True}
    (tmp_path / "a.jsonl").write_bytes(line(row))
    with (tmp_path / "a.csv").open("w", newline="") as file:
        csv.writer(file).writerows([["messages", "label"], [json.dumps(row["messages"]), "True"]])
    parquet.write_table(pyarrow.Table.from_pylist([row]), tmp_path / "a.parquet")
    records = [load_records(path).records[0] for path in sorted(tmp_path.iterdir())]
    assert len({(record.prompt, record.responses) for record in records}) == 1


def test_d6_the_hash_is_of_the_bytes(tmp_path):
    path = write(tmp_path / "a.jsonl", [line(good(0))])
    first = load_records(path).sources[0].sha256
    assert load_records(path).sources[0].sha256 == first
    write(path, [line(good(1))])
    assert load_records(path).sources[0].sha256 != first


LINES = st.lists(
    st.one_of(
        st.integers(0, 9).map(good).map(line),
        st.sampled_from([raw for code, raw in DAMAGE.items() if code != "too-long"]),
        st.binary(max_size=30).filter(lambda raw: b"\n" not in raw),
    ),
    max_size=25,
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(lines=LINES)
def test_nothing_is_lost_whatever_the_lines(tmp_path, lines):
    """Kept lines and quarantined lines together are the lines of the file, in order, byte for byte."""
    lines = [line(good(0)), *lines]
    path, quarantine = write(tmp_path / "a.jsonl", lines), tmp_path / "quarantine.jsonl"
    loaded = load_records(path, format="preference", bad_rows="skip", quarantine=quarantine)
    (report,) = loaded.sources
    kept = {int(record.place.rpartition(":")[2]) for record in loaded.records}
    rows = [(number, raw) for number, raw in enumerate(lines, start=1) if raw.strip()]
    assert report.read == len(rows) == report.kept + report.set_aside.total()
    expected = [raw for number, raw in rows if number not in kept]
    copied = quarantine.read_bytes() if quarantine.exists() else b""
    assert copied == b"".join(raw + b"\n" for raw in expected)
    assert len(loaded.problems) == len(expected)


REAL = [
    ("dpo_zh_demo.json", "sharegpt-preference", Kind.PREFERENCE, 240, {}),
    ("dpo_en_demo.json", "sharegpt-preference", Kind.PREFERENCE, 240, {}),
    # 4 chosen responses are blank: 0.29 % of 1 400. In 4 rows the assistant speaks twice in a row.
    ("hh_rlhf_harmless.jsonl.gz", "hh-rlhf", Kind.PREFERENCE, 1400, {"empty-response": 4}),
    ("kto_en_demo.json", "messages-unpaired", Kind.UNPAIRED, 240, {}),
    ("alpaca_zh_demo.json", "alpaca", Kind.DEMONSTRATION, 600, {}),
    ("xsafety_prompts.jsonl", "prompt", Kind.PROMPT, 1500, {}),
]


@pytest.mark.parametrize(("name", "format", "kind", "count", "set_aside"), REAL)
def test_real_public_rows_load_as_they_are(name, format, kind, count, set_aside):
    if not (SHARED / name).exists():
        pytest.skip(f"{SHARED / name} is not on this machine")
    loaded = load_records(SHARED / name)
    (report,) = loaded.sources
    assert (report.format, report.read, dict(report.set_aside)) == (format, count, set_aside)
    assert {record.kind for record in loaded.records} == {kind}
    assert len({record.place for record in loaded.records}) == report.kept


def test_rows_that_are_no_training_data_are_refused():
    if not (SHARED / "pyrit_refusal.csv").exists():
        pytest.skip("shared/data is not on this machine")
    with pytest.raises(DataError, match="objective, assistant_response, human_score"):
        load_records(SHARED / "pyrit_refusal.csv")


def test_a_row_is_its_file_and_its_number_and_not_its_line(tmp_path):
    """The same rows on one line, on many, and in two files of one name: as many identities as rows."""
    rows = [good(index) for index in range(4)]
    for folder, text in {"a": json.dumps(rows), "b": json.dumps(rows, indent=1)}.items():
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "q.json").write_text(text)
    first, second = tmp_path / "a" / "q.json", tmp_path / "b" / "q.json"
    assert [record.id for record in load_records(first).records] == [(0, n) for n in range(1, 5)]
    assert [record.place for record in load_records(first).records] == [f"q.json:1#{n}" for n in range(1, 5)]
    both = load_records([first, second]).records
    assert [record.id for record in both] == [(source, n) for source in (0, 1) for n in range(1, 5)]
    assert len({record.place for record in both}) == 8
    assert both[4].place == f"{second}:2"


def test_one_file_under_two_names_is_read_once(tmp_path):
    path = write(tmp_path / "a.jsonl", [line(good(0))])
    assert len(load_records([path, tmp_path / "." / ".." / tmp_path.name / "a.jsonl"]).records) == 1


def test_a_damaged_row_has_a_number_too(tmp_path):
    path = write(tmp_path / "a.jsonl", [line(good(0)), b"{", b"", line(good(2))])
    assert [record.number for record in load_records(path, bad_rows="skip").records] == [1, 3]


def test_many_rows_are_read_by_several_processes_with_the_same_account(tmp_path, monkeypatch):
    lines = [json.dumps({"prompt": f"p{i}", "completion": "c", "extra": i}) for i in range(2500)]
    lines[1200:1200] = ["{broken", '{"prompt": "", "completion": "c"}']
    path = tmp_path / "many.jsonl"
    path.write_text("\n".join(lines))
    loaded = load_records(path, quarantine=tmp_path / "one.jsonl")
    monkeypatch.setattr(load, "MANY", 0)
    monkeypatch.setattr(load, "useful_workers", lambda: 2)
    ticks: list[int] = []
    how = {"format": None, "bad_rows": "stop", "quarantine": tmp_path / "two.jsonl", "tick": ticks.append}
    assert load.read_through([str(path)], **how) == (loaded.sources, loaded.problems)
    assert (
        ticks == sorted(ticks) and ticks[-1] == path.stat().st_size + 1
    )  # the last row ends without a line feed
    assert (tmp_path / "one.jsonl").read_bytes() == (tmp_path / "two.jsonl").read_bytes()
    assert loaded.sources[0].unread == ("extra",) and len(loaded.problems) == 2


def test_many_bad_rows_are_not_held_in_memory(tmp_path, monkeypatch):
    monkeypatch.setattr(load, "FEW", 100)
    monkeypatch.setattr(load, "MOST_TOLD", 3)
    bad = [f"{{broken {i}".encode() for i in range(40)]
    path = write(tmp_path / "a.jsonl", [line(good(0)), *bad])
    aside = tmp_path / "beside" / "quarantine.jsonl"
    with pytest.raises(DataError, match="40 of 41 rows are bad"):
        load_records(path, quarantine=aside)
    assert aside.read_bytes().splitlines() == bad
    loaded = load_records(path, bad_rows="skip", quarantine=aside)
    assert len(loaded.problems) == 3 and loaded.sources[0].set_aside == {"broken-json": 40}
    assert aside.read_bytes().splitlines() == bad
    assert len(aside.with_suffix(".reasons.jsonl").read_bytes().splitlines()) == 40
    assert sorted(one.name for one in aside.parent.iterdir()) == [
        "quarantine.jsonl",
        "quarantine.reasons.jsonl",
    ]


def test_bytes_of_rows_are_those_of_files_and_more_of_packed_ones(tmp_path):
    plain, packed = tmp_path / "a.jsonl", tmp_path / "a.jsonl.gz"
    plain.write_bytes(b"x" * 10)
    packed.write_bytes(b"x" * 10)
    absent = tmp_path / "absent.jsonl"
    assert load.bytes_of([plain, packed, absent, "hub:organisation/name"]) == 10 + 50
