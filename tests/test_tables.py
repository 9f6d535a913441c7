"""The loop over a table's rows fails for every row that does, and tells them all."""

import pytest

from .tables import each


@each(("one", "other"), [(1, 1), (2, 2)])
def test_rows_that_hold_pass(one: int, other: int):
    assert one == other


def test_all_rows_that_fail_are_named():
    @each(("one", "other"), [(1, 1), (1, 2), (3, 4)])
    def looped(one: int, other: int) -> None:
        assert one == other, "unlike"

    with pytest.raises(AssertionError, match=r"(?s)2 of 3 rows fail.*\(1, 2\).*unlike.*\(3, 4\)"):
        looped()


def test_an_error_that_is_not_raised_is_a_failure_of_its_row():
    @each("text", ["1", "x"])
    def looped(text: str) -> None:
        with pytest.raises(ValueError):
            int(text)

    with pytest.raises(AssertionError, match="1 of 2 rows fail\n'1': "):
        looped()


def test_fixtures_stay_arguments_and_loops_nest():
    seen = []

    @each("a", [1, 2])
    @each("b", ["x", "y"])
    def looped(a: int, b: str, tmp_path: str) -> None:
        seen.append((a, b, tmp_path))

    looped(tmp_path="here")
    assert seen == [(1, "x", "here"), (1, "y", "here"), (2, "x", "here"), (2, "y", "here")]
    with pytest.raises(AssertionError, match="no rows for a"):
        each("a", [])
