"""The language of texts for people. English sentences are the keys of each language's table.

    with speaking("zh"):
        write_report(run_report(found), path)

A text with named placeholders is translated whole and filled afterwards, so that no sentence mixes two
languages. Text that no table has, such as the words of a user's file, stays as it is.
"""

from collections.abc import Generator, Iterable, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache

from truing.core.languages import Language

_spoken: ContextVar[Language] = ContextVar("the language of pages", default="en")


def add_words(language: Language, table: Mapping[str, str]) -> None:
    """Add the translations in `table`, which belong to one part of the package, to those of `language`."""
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
    """Return `text` in `language` with its placeholders unfilled; text that no table has stays English."""
    return _table(language).get(text, text)


def t(text: str, /, **filled: object) -> str:
    """`text` in the language spoken, its placeholders filled."""
    found = translated(text, spoken())
    return found.format(**filled) if filled else found


def sentences(parts: Iterable[str]) -> str:
    """Join sentences with a space between two; after a Chinese full stop, which is wide, without one."""
    return " ".join(parts).replace("。 ", "。")
