"""Sentences for people that can be told in another language after they were made.

    error = ConfigError(message("{path} does not exist", path=path))
    str(error)                    "rows.jsonl does not exist": the text in logs, files and tests
    told(error.message, "zh")     "rows.jsonl 不存在": the text on the terminal

A message is its English sentence and remembers the template and the fields. `told_zh.py` has the templates in
Chinese; a template that is not in it stays English. Plain text is looked up whole.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from string import Formatter

from truing.core.languages import Language
from truing.core.words import translated

OR = " or "  # between alternatives

Say = Callable[[str], None]  # tells one line to whoever watches


class Sentence(str):
    """An English sentence that remembers its template and its fields."""

    template: str
    fields: Mapping[str, object]


class Joined(Sentence):
    """Messages in a row, each of which is told by itself."""

    parts: tuple[str, ...]


def message(template: str, /, **fields: object) -> Sentence:
    """`template` with its named placeholders filled; without fields it is taken as it stands."""
    made = Sentence(template.format(**fields) if fields else template)
    made.template, made.fields = template, fields
    return made


def joined(separator: str, parts: Iterable[str]) -> Joined:
    """Several sentences as one message; the separator is told too, where it has words."""
    listed = tuple(parts)
    made = Joined(separator.join(listed))
    made.template, made.parts = separator, listed
    return made


def recognised(text: str, templates: Iterable[str]) -> str:
    """Find the template that made `text` and return `text` as that message; return `text` where none fits.

    Fields are recognised in the same way. A placeholder matches any text, so the first template that fits
    counts.
    """
    known = tuple(templates)
    for template in known:
        if found := _pattern(template).fullmatch(text):
            return message(template, **{k: recognised(v, known) for k, v in found.groupdict().items()})
    return text


@cache
def _pattern(template: str) -> re.Pattern[str]:
    parts = Formatter().parse(template)
    return re.compile(
        "".join(re.escape(words) + (f"(?P<{name}>.+?)" if name else "") for words, name, _, _ in parts),
        re.DOTALL,
    )


def told(text: str, language: Language) -> str:
    """`text` in `language`; a field that is a message is told too, any other stays as it is."""
    if isinstance(text, Joined):
        return translated(text.template, language).join(told(part, language) for part in text.parts)
    if not isinstance(text, Sentence):
        return translated(text, language)
    filled = {
        name: told(value, language) if isinstance(value, Sentence) else value
        for name, value in text.fields.items()
    }
    found = translated(text.template, language)
    return found.format(**filled) if filled else found
