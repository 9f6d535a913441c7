"""Read the statement at the end of an answer: a line, or a JSON object in the last line, block or answer."""

import json
import re
from collections.abc import Callable
from typing import Any

from truing.judges.client import NoVerdictError

LAST_BLOCK = re.compile(r"```\w*\n((?:(?!```).)*)```\Z", re.DOTALL)


def stated(text: str, line: re.Pattern[str], key: str, fits: Callable[[Any], bool]) -> Any:
    """Return the first group of `line` in the last line, or the value of `key` in an object where it `fits`.

    The object is the whole answer, its last line or its last code block; its numbers are floats. Raises
    NoVerdictError where the answer ends with neither.
    """
    whole = text.strip()
    block = LAST_BLOCK.search(whole)
    end = block[1].strip() if block else whole
    last = end.rpartition("\n")[2].strip()
    if found := line.fullmatch(last):
        return found[1]
    for candidate in (end, last):
        try:
            told = json.loads(candidate, parse_int=float)
        except (ValueError, RecursionError):
            continue
        if isinstance(told, dict) and fits(told.get(key)):
            return told[key]
    shown = last if len(last) <= 80 else "..." + last[-77:]
    raise NoVerdictError(f"the answer does not end with a {key}: {shown!r}")
