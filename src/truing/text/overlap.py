"""Texts that repeat other texts: rows nearly alike, and rows that hold what an evaluation asks.

    repeats(["a b c d e f g", "a b c d e f h"], 0.5)     {1: 0}: the second text repeats the first
    Known(["How tall is the tower of the old town hall?"]).in_text("… How tall is the tower of …")

Both look at runs of words; a Chinese character is a word. Case, width and punctuation do not count.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from truing.text.answers import folded
from truing.text.units import words

RUN = 13  # words in common that make a text known: arXiv:2005.14165, appendix C
SHORTEST = 5  # words of a known text that is looked for as a whole; shorter ones are parts of anything
SHINGLE = 5  # words of the runs that near repeats are compared by


def spelled(text: str) -> list[str]:
    """Return the words of a text without differences of case and width."""
    return words(folded(text).casefold())


def runs(spoken: Sequence[str], length: int) -> Iterator[tuple[str, ...]]:
    """Yield every run of so many words."""
    return (tuple(spoken[start : start + length]) for start in range(len(spoken) - length + 1))


class Known:
    """Texts of evaluations, to be found in other texts.

    A text is found by a run of 13 words of it; a shorter one by all of its words, of which it has at least 5.
    """

    def __init__(self, texts: Iterable[str]):
        self._runs: dict[int, set[tuple[str, ...]]] = {}
        for text in texts:
            spoken = spelled(text)
            length = min(RUN, len(spoken))
            if length >= SHORTEST:
                self._runs.setdefault(length, set()).update(runs(spoken, length))

    def in_text(self, text: str) -> bool:
        """Tell whether a text holds one of these, or a run of 13 words of one."""
        spoken = spelled(text)
        return any(run in known for length, known in self._runs.items() for run in runs(spoken, length))


def repeats(texts: Sequence[str], least: float) -> dict[int, int]:
    """Map the place of each text that nearly repeats an earlier one to that one's place.

    Two texts are near where the Jaccard index of their runs of 5 words is at least `least`, above 0. A text
    that repeats another is not itself compared with later ones. The result is exact: only pairs that share
    one of their rarest runs can be near, and those are compared (Bayardo, Ma and Srikant 2007).
    """
    shingled = [set(runs(spoken, SHINGLE)) or {tuple(spoken)} for spoken in map(spelled, texts)]
    often = Counter(run for one in shingled for run in one)
    first_with: dict[tuple[str, ...], list[int]] = {}
    found: dict[int, int] = {}
    for place, own in enumerate(shingled):
        rarest = sorted(own, key=lambda run: (often[run], run))
        prefix = rarest[: len(own) - _ceiling(least * len(own)) + 1]
        near = {other for run in prefix for other in first_with.get(run, ())}
        earlier = next((other for other in sorted(near) if _jaccard(own, shingled[other]) >= least), None)
        if earlier is not None:
            found[place] = earlier
            continue
        for run in prefix:
            first_with.setdefault(run, []).append(place)
    return found


def _ceiling(value: float) -> int:
    return max(1, -int(-value // 1))


def _jaccard(one: set[tuple[str, ...]], other: set[tuple[str, ...]]) -> float:
    return len(one & other) / len(one | other)
