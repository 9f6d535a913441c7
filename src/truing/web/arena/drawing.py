"""Pairs and sides of the arena, as functions of the seed and the number of the round."""

from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import combinations

from truing.store.settings import drawn_number


def draw_pair(
    models: Sequence[str], compared: Mapping[frozenset[str], int], seed: int, number: int
) -> tuple[str, str]:
    """Return the models of the left and the right side: a pair with the fewest comparisons, its sides drawn.

    `compared` counts the comparisons of each pair. The same seed, round and counts give the same pair.
    """
    counts = Counter(compared)
    pairs = list(combinations(models, 2))
    fewest = min(counts[frozenset(pair)] for pair in pairs)
    open_ones = [pair for pair in pairs if counts[frozenset(pair)] == fewest]
    first, second = open_ones[drawn_number(seed, "pair", number) % len(open_ones)]
    return (second, first) if drawn_number(seed, "sides", number) % 2 else (first, second)


def draw_side(seed: int, number: int) -> int:
    """Return the side, 0 or 1, whose response a conversation goes on with after a tie."""
    return drawn_number(seed, "tie", number) % 2


def draw_seed(seed: int, number: int) -> int:
    """Return the seed of sampling in a round, below 2**31, which both sides have."""
    return drawn_number(seed, "sampling", number) % 2**31
