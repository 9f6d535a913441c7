"""What an answer states at its end: a line, or a JSON object that it, its last line or its last block is."""

import json
import re
from collections.abc import Callable
from typing import Any

from truing.judges.client import NoVerdictError

LAST_BLOCK = re.compile(r"```\w*\n((?:(?!```).)*)```\Z", re.DOTALL)


def stated(text: str, line: re.Pattern[str], key: str, fits: Callable[[Any], bool]) -> Any:
    """The first group of `line` in the last line, or what `key` holds in an object where that `fits`.

    Numbers in objects are floats. Raises NoVerdictError where neither is there.
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
