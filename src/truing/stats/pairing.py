"""Choices of the pairs of responses to compare: all of them, rounds of a Swiss tournament, the least certain.

Pairs are places (i, j) of responses, i < j. To add a choice, write a function of the size, of what was
compared, or of a fit, that returns pairs and draws nothing at random.
"""

from collections.abc import Collection, Sequence
from itertools import combinations

from truing.core.errors import DataError
from truing.stats.bradley_terry import Strengths

Place = tuple[int, int]

# Opponents that a Swiss round considers for a response, the nearest first: more would cost time, not quality.
REACH = 6


def all_pairs_of(n: int) -> list[Place]:
    """Return the n(n - 1)/2 pairs of n responses."""
    return list(combinations(range(n), 2))


def swiss_round(standing: Sequence[float], met: Collection[Place] = ()) -> list[Place]:
    """Pair responses of like standing, such as their strengths, that have not met; each stands in one pair.

    As few responses as possible sit out, and the gaps in standing add up to as little as possible, among the
    `REACH` nearest opponents of each. Equal standings keep their order, so the first round of n responses
    is (0, 1), (2, 3), … An empty list says that no pair is left. log₂ n rounds find the best response; n - 1
    rounds are all pairs.
    """
    order = sorted(range(len(standing)), key=lambda i: (-standing[i], i))
    taken = {(min(pair), max(pair)) for pair in met}
    _, pairs = _paired(tuple(order), standing, taken, {})
    return [(min(pair), max(pair)) for pair in pairs]


def least_certain(fitted: Strengths, wanted: int = 1, among: Collection[Place] | None = None) -> list[Place]:
    """Return the pairs whose preference, P(win) + P(tie)/2, has the greatest standard error, that one first.

    A comparison of such a pair teaches most: the error is small where one response leads clearly, and falls
    where a pair of equals has been compared often. `among` limits the choice, by default to all pairs; equal
    errors keep the order of the pairs.
    """
    pairs = all_pairs_of(len(fitted.strengths)) if among is None else sorted(among)
    if wanted < 1:
        raise DataError(f"{wanted} pairs were asked for", hint="ask for at least one")
    return sorted(pairs, key=lambda pair: -round(fitted.outcome(*pair).preference_error, 12))[:wanted]


Round = tuple[tuple[int, float], tuple[Place, ...]]


def _paired(
    order: tuple[int, ...],
    standing: Sequence[float],
    taken: set[Place],
    known: dict[tuple[int, ...], Round],
) -> Round:
    """Return the best pairs of the responses in `order`: how many sit out, the sum of gaps, the pairs."""
    if len(order) < 2:
        return (len(order), 0.0), ()
    if order in known:
        return known[order]
    first, *others = order
    free = [other for other in others if (min(first, other), max(first, other)) not in taken]
    found: list[Round] = []
    for opponent in free[:REACH]:
        rest = tuple(other for other in others if other != opponent)
        (out, gaps), pairs = _paired(rest, standing, taken, known)
        gap = abs(standing[first] - standing[opponent])
        found.append(((out, gaps + gap), ((first, opponent), *pairs)))
    if len(order) % 2 or all(out for (out, _), _ in found):  # of an even number nobody needs to sit out
        (out, gaps), pairs = _paired(tuple(others), standing, taken, known)
        found.append(((out + 1, gaps), pairs))
    known[order] = min(found, key=lambda one: one[0])
    return known[order]
