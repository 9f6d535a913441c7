"""The language that a page is written in. English sentences are the keys; `words_zh.py` has them in Chinese.

    with speaking("zh"):
        write_report(run_report(found), path)

A text to be filled holds named placeholders and is translated whole, so that no page mixes two languages in a
sentence. What no table knows, such as the words of a user's file, stays as it is.
"""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar

from truing.core.languages import Language
from truing.evals.words_zh import ZH

TABLES: Mapping[Language, Mapping[str, str]] = {"en": {}, "zh": ZH}

_spoken: ContextVar[Language] = ContextVar("the language of pages", default="en")


@contextmanager
def speaking(language: Language) -> Iterator[None]:
    """Make all sentences in `language` until the block ends."""
    before = _spoken.set(language)
    try:
        yield
    finally:
        _spoken.reset(before)


def spoken() -> Language:
    """The language that sentences are made in."""
    return _spoken.get()


def t(text: str, /, **filled: object) -> str:
    """`text` in the language spoken, its placeholders filled."""
    found = TABLES[spoken()].get(text, text)
    return found.format(**filled) if filled else found


def sentences(parts: Iterable[str]) -> str:
    """One after the other: with a space between them, but for a Chinese full stop, which holds one."""
    return " ".join(parts).replace("。 ", "。")
