"""The language that is spoken to people. English sentences are the keys of each language's table.

    with speaking("zh"):
        write_report(run_report(found), path)

A text to be filled holds named placeholders and is translated whole, so that no page mixes two languages in a
sentence. What no table knows, such as the words of a user's file, stays as it is.
"""

from collections.abc import Generator, Iterable, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache

from truing.core.languages import Language

_spoken: ContextVar[Language] = ContextVar("the language of pages", default="en")


def add_words(language: Language, table: Mapping[str, str]) -> None:
    """Let `language` also know the translations of `table`, which belong to one part of the package."""
    _table(language).update(table)


@cache
def _table(language: Language) -> dict[str, str]:
    if language == "en":
        return {}
    from truing.core import pages_zh, told_zh

    return {**pages_zh.ZH, **told_zh.ZH}


@contextmanager
def speaking(language: Language) -> Generator[None]:
    """Make all sentences in `language` until the block ends."""
    before = _spoken.set(language)
    try:
        yield
    finally:
        _spoken.reset(before)


def spoken() -> Language:
    """The language that sentences are made in."""
    return _spoken.get()


def translated(text: str, language: Language) -> str:
    """`text` in `language` with its placeholders as they are; what no table knows stays English."""
    return _table(language).get(text, text)


def t(text: str, /, **filled: object) -> str:
    """`text` in the language spoken, its placeholders filled."""
    found = translated(text, spoken())
    return found.format(**filled) if filled else found


def sentences(parts: Iterable[str]) -> str:
    """One after the other: with a space between them, but for a Chinese full stop, which holds one."""
    return " ".join(parts).replace("。 ", "。")
