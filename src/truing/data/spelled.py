"""Text that spells a list: conversations that went through a CSV cell, a database, or `str()`.

    spelled("[{'role': 'user', 'content': 'Hi'}]")      Python's spelling, as pandas writes a list to CSV
    spelled('[{"role": "user", "content": "Hi"}]')      JSON's
    spelled("[{'role': 'user', 'content': 'Hi'}\\n {'role': 'assistant', 'content': 'Hello'}]")   numpy's

Nothing is evaluated: lists are literals, and numpy's lists, which have no commas, get commas first.
"""

import ast
import re

from truing.core.messages import message
from truing.data.rows import STRICT, RowError, check_text, excerpt, strings

SPEAKER = re.compile(r"""["'](?:role|from)["']\s*:""")
LOOKS = re.compile(r"""\s*[\[(]*\s*(?:array\()?\[*\{\s*["'](?:role|from|content|value)["']\s*:""")
TOKEN = re.compile(r"""'(?:\\.|[^'\\])*'|"(?:\\.|[^"\\])*"|[\[\]{}(),:]|[^\s'"\[\]{}(),:]+|['"]""", re.S)
OPENS, CLOSES = ("[", "{", "("), ("]", "}", ")")


def is_turn(value: object) -> bool:
    """Tell whether a value is a message: an object with a speaker."""
    return isinstance(value, dict) and bool({"role", "from"} & value.keys())


def are_turns(value: object) -> bool:
    """Tell whether a value is a list of messages that is not empty."""
    return isinstance(value, list) and bool(value) and all(map(is_turn, value))


def spelled_list(text: str) -> list | None:
    """Read the list that a text spells in JSON, Python or numpy; None if it spells no list."""
    value = _value(text.strip()) if text.lstrip().startswith("[") else None
    return value if isinstance(value, list) else None


def means_turns(value: object) -> bool:
    """Tell whether a value is text in brackets in which somebody speaks."""
    if not isinstance(value, str):
        return False
    given = value.strip()
    return given.startswith(("[", "{")) and given.endswith(("]", "}")) and bool(SPEAKER.search(given))


def spelled_turns(text: str, key: str) -> list | dict | None:
    """Read the messages that a text spells, None for other text.

    Raises `RowError` for text that clearly means to spell messages and cannot be read as such.
    """
    given = text.strip()
    broken = LOOKS.match(given) and _is_open(given)
    if not means_turns(given) and not broken:
        return None
    value = None if broken else _value(given)
    if isinstance(value, dict):
        return value if is_turn(value) or are_turns(value.get("messages")) else None
    if isinstance(value, list) and (are_turns(value) or (len(value) == 1 and are_turns(value[0]))):
        return value
    if value is None and LOOKS.match(given):
        raise RowError(
            "spelled-messages",
            message(
                "`{key}` is text that spells a list of messages and cannot be read as one: {value}",
                key=key,
                value=excerpt(given),
            ),
        )
    return None


def _is_open(text: str) -> bool:
    """Tell whether brackets of a text are never closed, as in a cell that a spreadsheet cut short."""
    tokens = TOKEN.findall(text)
    return sum(token in OPENS for token in tokens) > sum(token in CLOSES for token in tokens)


def _value(text: str) -> object:
    """Read the value that a text spells; None where it spells no whole value.

    Raises RowError for a key that stands twice, and for characters that escapes spell and no tokenizer takes.
    """
    value = _decoded(text)
    if "\\" in text:
        for string in strings(value):
            check_text(string)
    return value


def _decoded(text: str) -> object:
    try:
        return STRICT.decode(text)
    except (ValueError, RecursionError):
        pass  # then it may be Python's spelling
    try:
        return ast.literal_eval(_with_commas(text))
    except (ValueError, SyntaxError, RecursionError, MemoryError):
        return None


def _with_commas(text: str) -> str:
    """Put a comma between any two literals that stand side by side."""
    found: list[str] = []
    for token in TOKEN.findall(text):
        starts = token not in (",", ":", *CLOSES)
        if found and starts and found[-1] not in (",", ":", *OPENS):
            found.append(",")
        found.append(token)
    return "".join(found)
