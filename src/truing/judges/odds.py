"""Probabilities from the log-probabilities of the token that states a value.

    VERDICT: A   with  A -0.36, B -1.20, T -7 at its token   ->   A 0.70, B 0.30, TIE 0.00

Of the alternatives at that token only those count that begin a value. Where they are less than half of the
probability, the token was no choice between values, and there are no odds.
"""

import math
import re
from collections.abc import Callable, Mapping
from typing import TypeVar

from truing.judges.dress import FOLDED
from truing.judges.fields import Verdict
from truing.judges.reading import StatedField
from truing.judges.replies import ENDS, WeighedText, WeighedToken

OddsValue = TypeVar("OddsValue")
LEAST = 0.5  # of the probability at a token must be on values
WHOLE = re.compile(r"[0-9]{1,3}")


def odds(
    text: str, field: StatedField[OddsValue], stated: OddsValue, begins: Callable[[str], OddsValue | None]
) -> dict[OddsValue, float] | None:
    """Return the probability of each value at the token where `text` states the value `stated`.

    `begins` returns the value that a token without its dress begins, None for another token. Returns None
    where the text has no log-probabilities of that token.
    """
    token = _stating(text, field, lambda core: begins(core) == stated)
    return None if token is None else _shares(token, begins)


def _shares(
    token: WeighedToken, value_of: Callable[[str], OddsValue | None]
) -> dict[OddsValue, float] | None:
    mass: dict[OddsValue, float] = {}
    for word, logprob in token.top.items():
        value = value_of(_core(word))
        if value is not None:
            mass[value] = mass.get(value, 0.0) + math.exp(logprob)
    whole = sum(mass.values())
    return {value: share / whole for value, share in mass.items()} if whole >= LEAST else None


def _stating(
    text: str, field: StatedField[OddsValue], begins_it: Callable[[str], bool]
) -> WeighedToken | None:
    """Return the first token of the value after the last label, or the last token of that value."""
    if not isinstance(text, WeighedText):
        return None
    fits = [token for token in text.tokens if begins_it(_core(token.text))]
    labels = [found.end() for found in re.finditer(field.label, text.translate(FOLDED), re.IGNORECASE)]
    after = [token for token in fits if labels and token.start >= labels[-1]]
    return after[0] if after else fits[-1] if fits and not labels else None


def _core(token: str) -> str:
    return token.strip(ENDS).upper()


def begins_verdict(core: str) -> Verdict | None:
    if core in ("A", "B"):
        return Verdict(core)
    return Verdict.TIE if core and ("TIE".startswith(core) or "平局".startswith(core)) else None


def first_wins(chances: Mapping[Verdict, float]) -> float:
    """Return the probability that the first response is better, a tie being worth a half."""
    return chances.get(Verdict.FIRST, 0.0) + chances.get(Verdict.TIE, 0.0) / 2


def expected_score(
    text: str, field: StatedField[float], stated: float, low: float, high: float
) -> float | None:
    """Return the expected score over the whole numbers of a scale; None without log-probabilities.

    A token that begins the stated number counts as that number: a `1` that a `0` follows is 10.
    """
    token = _stating(text, field, lambda core: core.isdecimal() and f"{stated:g}".startswith(core))
    if token is None:
        return None
    own = _core(token.text)

    def value_of(core: str) -> float | None:
        if core == own:
            return stated
        return float(core) if WHOLE.fullmatch(core) and low <= int(core) <= high else None

    chances = _shares(token, value_of)
    return sum(value * share for value, share in chances.items()) if chances else None
