"""One test over all rows of a table, in place of one item of pytest per row."""

import inspect
from collections.abc import Callable, Iterable, Sequence
from functools import wraps
from typing import Any

import pytest

LONGEST = 200  # characters of a row, and of why it fails, in a message


def each(names: str | Sequence[str], rows: Iterable[Any], ids: Callable[[Any], str] = repr) -> Callable:
    """Run a test for every row, and name all rows that fail with the reason of each.

    `names` are the arguments that a row gives, as `pytest.mark.parametrize` takes them. The others are
    fixtures, which all rows share: a test that changes one belongs in `parametrize`. `ids` tells a row.
    """
    given = [name.strip() for name in names.split(",")] if isinstance(names, str) else list(names)
    table = list(rows)
    assert table, f"no rows for {', '.join(given)}"

    def over(test: Callable[..., None]) -> Callable[..., None]:
        @wraps(test)
        def run(**fixtures: Any) -> None:
            failed: list[tuple[Any, BaseException]] = []
            for row in table:
                values = (row,) if len(given) == 1 else row
                try:
                    test(**fixtures, **dict(zip(given, values, strict=True)))
                except (Exception, pytest.fail.Exception) as error:
                    failed.append((row, error))
            if failed:
                told = [f"{ids(row)[:LONGEST]}: {_reason(error)}" for row, error in failed]
                text = "\n".join([f"{len(failed)} of {len(table)} rows fail", *told])
                raise AssertionError(text) from failed[0][1]

        rest = [one for name, one in inspect.signature(test).parameters.items() if name not in given]
        run.__signature__ = inspect.Signature(rest)  # pyright: ignore[reportAttributeAccessIssue]
        return run

    return over


def _reason(error: BaseException) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())[:LONGEST]}"
