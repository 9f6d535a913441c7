# ruff: noqa: E501 - a bad row on one line
"""Case D1 in every container that can hold it: each bad row is counted with its code and place, none is lost.

Two good rows stand before a bad one and two behind it.
"""

import csv
import gzip
import io
import json
from collections.abc import Callable
from pathlib import Path

import pyarrow
import pyarrow.feather
import pyarrow.parquet
import pytest
import zstandard

from truing.core.errors import DataError
from truing.data.load import load_records
from truing.data.rows import MAX_ROW_BYTES

GOOD = [{"prompt": f"q{n}", "chosen": f"a{n}", "rejected": f"b{n}", "margin": 1.0} for n in range(4)]
USER = {"role": "user", "content": "q"}
SAID = {"role": "assistant", "content": "a"}
REST = b'"chosen": "a", "rejected": "b"}'

# Bytes between two lines of JSON.
TEXTS = {
    "cut": (b'{"prompt": "q", "chosen": "a', "broken-json"),
    "cut key": (b'{"prompt": "q", "cho', "broken-json"),
    "open": (b"{", "broken-json"),
    "closed": (b"}", "broken-json"),
    "tail": (b'{"prompt": "q", ' + REST + b" x", "broken-json"),
    "two rows": (b'{"prompt": "q", ' + REST + b'{"prompt": "q", ' + REST, "broken-json"),
    "single quotes": (b"{'prompt': 'q', 'chosen': 'a', 'rejected': 'b'}", "broken-json"),
    "no quotes": (b'{prompt: "q", ' + REST, "broken-json"),
    "trailing comma": (b'{"prompt": "q", "chosen": "a", "rejected": "b",}', "broken-json"),
    "comment": (b'{"prompt": "q", /* x */ ' + REST, "broken-json"),
    "bad escape": (b'{"prompt": "\\x", ' + REST, "broken-json"),
    "tab in text": (b'{"prompt": "a\tb", ' + REST, "broken-json"),
    "words": (b"good morning", "broken-json"),
    "markup": (b"<html>", "broken-json"),
    "list": (b"[]", "not-an-object"),
    "list of a row": (b'[{"prompt": "q"}]', "not-an-object"),
    "text": (b'"q"', "not-an-object"),
    "number": (b"17", "not-an-object"),
    "null": (b"null", "not-an-object"),
    "no key": (b"{}", "missing-prompt"),
    "no number": (b'{"prompt": "q", "margin": NaN, ' + REST, "bad-number"),
    "infinite": (b'{"prompt": "q", "margin": -Infinity, ' + REST, "bad-number"),
    "5000 digits": (b'{"prompt": "q", "margin": ' + b"9" * 5000 + b", " + REST, "bad-number"),
    "key twice": (b'{"prompt": "q", "prompt": "q", ' + REST, "duplicate-key"),
    "inner key twice": (b'{"prompt": [{"role": "user", "role": "user", "content": "q"}], ' + REST, "duplicate-key"),
    "mark": (b'\xef\xbb\xbf{"prompt": "q", ' + REST, "bom"),
    "not UTF-8": (b'{"prompt": "\xe4\xbd", ' + REST, "invalid-utf8"),
    "overlong UTF-8": (b'{"prompt": "\xc0\xaf", ' + REST, "invalid-utf8"),
    "surrogate in UTF-8": (b'{"prompt": "\xed\xa0\x80", ' + REST, "invalid-utf8"),
    "NUL": (b'{"prompt": "\0", ' + REST, "nul"),
    "escaped NUL": (b'{"prompt": "\\u0000", ' + REST, "nul"),
    "half a pair": (b'{"prompt": "\\ud83d", ' + REST, "lone-surrogate"),
    "half a pair as a key": (b'{"\\udc00": 1, "prompt": "q", ' + REST, "lone-surrogate"),
    "too long": (b'{"prompt": "' + b"x" * MAX_ROW_BYTES + b'", ' + REST, "too-long"),
    "too deep": (b'{"prompt": ' + b"[" * 100_000 + b"]" * 100_000 + b", " + REST, "too-deep"),
}  # fmt: skip

# Values of a row that any container holds.
VALUES = {
    "no chosen": ({"chosen": None}, "missing-chosen"),
    "no rejected": ({"rejected": None}, "missing-rejected"),
    "no prompt": ({"prompt": None}, "missing-prompt"),
    "empty prompt": ({"prompt": ""}, "empty-prompt"),
    "blank prompt": ({"prompt": " \n\t"}, "empty-prompt"),
    "empty response": ({"chosen": ""}, "empty-response"),
    "blank response": ({"rejected": "  \n"}, "empty-response"),
    "equal responses": ({"rejected": "a"}, "identical-pair"),
    "number for text": ({"chosen": [5]}, "wrong-type"),
    "object for text": ({"chosen": {"a": 1}}, "unknown-role"),
    "no turns": ({"chosen": []}, "wrong-type"),
    "unknown role": ({"prompt": [USER | {"role": "narrator"}]}, "unknown-role"),
    "empty role": ({"prompt": [USER | {"role": ""}]}, "unknown-role"),
    "assistant asks": ({"prompt": [USER, SAID]}, "role-order"),
    "turn without words": ({"prompt": [{"role": "user"}]}, "wrong-type"),
    "turn without role": ({"prompt": [{"content": "q"}]}, "unknown-role"),
    "turn of a number": ({"prompt": [USER | {"content": 5}]}, "wrong-type"),
    "turn of null": ({"prompt": [USER | {"content": None}]}, "wrong-type"),
    "text for turns": ({"prompt": [USER, "q"]}, "wrong-type"),
    "NUL in a turn": ({"prompt": [USER | {"content": "\0"}]}, "nul"),
    "word for a number": ({"margin": "wide"}, "bad-number"),
    "picture": ({"images": ["a.png"]}, "not-text"),
    "picture in a turn": ({"prompt": [USER | {"content": [{"type": "image", "url": "x"}]}]}, "not-text"),
}  # fmt: skip

# In a cell of text these are the text itself, and no text is what is missing in CSV.
ONLY_TEXT = ["number for text", "object for text", "no turns", "turn without role", "text for turns"]
EMPTY_CELLS = {"no chosen": "empty-response", "no rejected": "empty-response", "no prompt": "empty-prompt"}


def as_text(row: dict) -> dict:
    """Return a row as cells of a table, lists and objects as their JSON."""
    return {k: v if isinstance(v, str | float | None) else json.dumps(v) for k, v in row.items()}


def table(rows: list[dict]) -> pyarrow.Table:
    names = list(dict.fromkeys(name for row in rows for name in row))
    cells = [as_text(row | {"margin": str(row["margin"])}) for row in rows]
    return pyarrow.table({name: [row.get(name) for row in cells] for name in names})


def separated(rows: list[dict], delimiter: str = ",") -> bytes:
    names = list(dict.fromkeys(name for row in rows for name in row))
    file = io.StringIO(newline="")
    writer = csv.DictWriter(file, names, delimiter=delimiter)
    writer.writeheader()
    writer.writerows(map(as_text, rows))
    return file.getvalue().encode()


def lines(rows: list[dict]) -> bytes:
    return b"".join(json.dumps(row).encode() + b"\n" for row in rows)


def in_memory(write: Callable[[pyarrow.Table, io.BytesIO], object]) -> Callable[[list[dict]], bytes]:
    def content(rows: list[dict]) -> bytes:
        file = io.BytesIO()
        write(table(rows), file)
        return file.getvalue()

    return content


HOLDERS: dict[str, Callable[[list[dict]], bytes]] = {
    "a.jsonl": lines,
    "a.ndjson": lines,
    "a.json": lambda rows: json.dumps(rows, indent=1).encode(),
    "object.json": lambda rows: json.dumps({"version": 1, "data": rows}).encode(),
    "a.csv": separated,
    "a.tsv": lambda rows: separated(rows, "\t"),
    "a.parquet": in_memory(pyarrow.parquet.write_table),
    "a.feather": in_memory(pyarrow.feather.write_feather),
    "a.jsonl.gz": lambda rows: gzip.compress(lines(rows)),
    "a.jsonl.zst": lambda rows: zstandard.compress(lines(rows)),
    "a.json.gz": lambda rows: gzip.compress(json.dumps(rows).encode()),
    "a.csv.gz": lambda rows: gzip.compress(separated(rows)),
    "a.csv.zst": lambda rows: zstandard.compress(separated(rows)),
    "a.parquet.gz": lambda rows: gzip.compress(in_memory(pyarrow.parquet.write_table)(rows)),
}


def set_aside(path: Path, content: bytes) -> tuple[dict[str, int], int, list[str]]:
    """Load a file; count what was set aside by its code and what was kept, and list the problems."""
    path.write_bytes(content)
    quarantine = path.parent / "out" / f"{path.name}.quarantine.jsonl"
    loaded = load_records(path, format="preference", bad_rows="skip", quarantine=quarantine)
    (report,) = loaded.sources
    assert report.read == report.kept + sum(report.set_aside.values())
    assert len(loaded.records) == report.kept
    assert all(len(problem) < 300 for problem in loaded.problems)
    return dict(report.set_aside), report.kept, list(loaded.problems)


def packed(name: str, content: bytes) -> bytes:
    return {"gz": gzip.compress, "zst": zstandard.compress}.get(name.rpartition(".")[2], bytes)(content)


@pytest.mark.parametrize("holder", HOLDERS)
def test_every_value_is_set_aside_by_its_code(holder: str, tmp_path: Path):
    found, cells = {}, not (".json" in holder or ".ndjson" in holder)
    expected = {name: ({code: 1}, 4) for name, (_, code) in VALUES.items()}
    expected |= {name: ({}, 5) for name in ONLY_TEXT if cells}
    expected |= {
        name: ({code: 1}, 4) for name, code in EMPTY_CELLS.items() if ".csv" in holder or ".tsv" in holder
    }
    for name, (value, _) in VALUES.items():
        row = {"prompt": "q", "chosen": "a", "rejected": "b", "margin": 2.0} | value
        aside, kept, problems = set_aside(tmp_path / holder, HOLDERS[holder]([*GOOD[:2], row, *GOOD[2:]]))
        found[name] = (aside, kept)
        assert all(problem.startswith(f"{holder}:") for problem in problems)
    assert found == expected


@pytest.mark.parametrize("holder", ["a.jsonl", "a.ndjson", "a.jsonl.gz", "a.jsonl.zst"])
def test_every_line_is_set_aside_by_its_code_and_place(holder: str, tmp_path: Path):
    assert len(TEXTS) >= 35
    for name, (raw, code) in TEXTS.items():
        content = lines(GOOD[:2]) + raw + b"\n" + lines(GOOD[2:])
        aside, kept, (problem,) = set_aside(tmp_path / holder, packed(holder, content))
        assert (aside, kept) == ({code: 1}, 4), name
        assert problem.startswith(f"{holder}:3: {code}: "), name
        kept_raw = (tmp_path / "out" / f"{holder}.quarantine.jsonl").read_bytes()
        assert kept_raw == raw + b"\n", name


@pytest.mark.parametrize("holder", ["a.json", "a.json.gz", "a.json.zst"])
def test_every_element_of_an_array_is_set_aside_at_its_line(holder: str, tmp_path: Path):
    """The next whole row of the same keys ends an element whose own end cannot be found."""
    before, behind = (b",\n".join(json.dumps(row).encode() for row in rows) for rows in (GOOD[:2], GOOD[2:]))
    for name, (raw, code) in TEXTS.items():
        content = b"[" + before + b",\n" + raw + b",\n" + behind + b"]"
        aside, kept, problems = set_aside(tmp_path / holder, packed(holder, content))
        if name == "two rows":  # whole, but for the comma between them
            assert (aside, kept) == ({}, 6)
            continue
        assert kept >= 4 and sum(aside.values()) == 1, name
        assert set(aside) <= {code, "broken-json"} and problems[0].startswith(f"{holder}:3: "), name


# Bytes of a table that CSV cannot hold, behind its header and two rows.
CELLS = {
    "too few": (b"q,a\n", "column-count"),
    "too many": (b"q,a,b,1,x,y\n", "column-count"),
    "not UTF-8": (b"\xe4\xbd,a,b,1\n", "invalid-utf8"),
    "NUL": (b"\0,a,b,1\n", "nul"),
    "too long": (b"x" * MAX_ROW_BYTES + b",a,b,1\n", "too-long"),
    "open quote": (b'"q,a,b,1\n', "broken-csv"),
}


@pytest.mark.parametrize("holder", ["a.csv", "a.csv.gz", "a.csv.zst"])
def test_every_damaged_record_of_a_table_is_set_aside(holder: str, tmp_path: Path):
    for name, (raw, code) in CELLS.items():
        content = separated(GOOD[:2]) + raw + separated(GOOD[2:]).partition(b"\n")[2]
        aside, kept, problems = set_aside(tmp_path / holder, packed(holder, content))
        assert aside == {code: 1} and problems[0].startswith(f"{holder}:4: "), name
        assert kept == (2 if name == "open quote" else 4), name  # a quote that nothing closes takes the rest


CONTAINERS = {
    "cut": lambda content: content[: len(content) // 2],
    "cut by a byte": lambda content: content[:-1],
    "head alone": lambda content: content[:4],
    "two heads": lambda content: content[:4] + content,
    "flipped": lambda content: content[:20] + bytes([content[20] ^ 0xFF]) + content[21:],
    "zeros behind": lambda content: content[: len(content) // 2] + bytes(len(content) - len(content) // 2),
}


@pytest.mark.parametrize("holder", ["a.jsonl.gz", "a.jsonl.zst", "a.parquet", "a.feather", "a.parquet.gz"])
@pytest.mark.parametrize("damage", CONTAINERS)
def test_a_damaged_container_is_told_as_a_file(holder: str, damage: str, tmp_path: Path):
    """Compressed text may be read up to the damage; what was read is not taken for the whole file."""
    path = tmp_path / holder
    content = CONTAINERS[damage](HOLDERS[holder](GOOD))
    try:
        aside, kept, _ = set_aside(path, content)
    except DataError as error:
        assert holder in str(error)
    else:
        assert aside or kept == 4
