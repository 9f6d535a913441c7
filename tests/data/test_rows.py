"""One row before its format is known: its value, or the code of its damage."""

import pytest

from truing.data.rows import (
    MAX_ROW_BYTES,
    MAX_SHOWN,
    RowError,
    check_text,
    excerpt,
    parse_object,
    raw_row,
    strings,
)


@pytest.mark.parametrize(
    ("raw", "code"),
    [
        (b'{"a": 1', "broken-json"),
        (b"[1]", "not-an-object"),
        (b'{"a": 1, "a": 2}', "duplicate-key"),
        (b'{"a": "\xff"}', "invalid-utf8"),
        (b'{"a": "\x00"}', "nul"),
        (b'{"a": "\\ud800"}', "lone-surrogate"),
        (b'{"a": "\\u0000"}', "nul"),
        (b'{"a": ' + b"9" * 5000 + b"}", "bad-number"),
        (b'{"a": ' + b"[" * 200_000, "too-deep"),
        (b'{"a": "' + b"x" * MAX_ROW_BYTES + b'"}', "too-long"),
        (b'\xef\xbb\xbf{"a": 1}', "bom"),
    ],
    ids=lambda value: str(value)[:20],
)
def test_each_damage_has_its_code(raw: bytes, code: str):
    with pytest.raises(RowError) as caught:
        parse_object(raw)
    assert caught.value.code == code


def test_a_row_keeps_its_bytes_whether_it_is_read_or_not():
    good, bad = raw_row("x", 1, b'\xef\xbb\xbf{"a": 1}'), raw_row("x", 7, b"{")
    assert good.value == {"a": 1} and good.error is None
    assert (bad.place, bad.raw, bad.value) == ("x:7", b"{", None) and bad.error is not None


def test_an_excerpt_is_short_and_escaped():
    assert excerpt("a\nb") == "'a\\nb'"
    assert len(excerpt("x" * 10**6)) == MAX_SHOWN and excerpt(["y"] * 99).endswith("\u2026")


def test_every_string_of_a_value_is_found_keys_too():
    assert list(strings({"a": ["b", {"c": 1, "d": "e"}]})) == ["a", "b", "c", "d", "e"]
    with pytest.raises(RowError):
        check_text("\ud800")
