"""Pairs and sides of the arena, as functions of the seed and the number of the round."""

import random
from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import combinations

PairCounts = Mapping[frozenset[str], int]  # comparisons of each pair of models


def draw_pair(models: Sequence[str], compared: PairCounts, seed: int, number: int) -> tuple[str, str]:
    """Return the models of the left and the right side: a pair with the fewest comparisons, its sides drawn.

    The same seed, round and counts give the same pair.
    """
    chance = random.Random(f"{seed} {number} pair")
    counts = Counter(compared)
    pairs = list(combinations(models, 2))
    fewest = min(counts[frozenset(pair)] for pair in pairs)
    pair = list(chance.choice([pair for pair in pairs if counts[frozenset(pair)] == fewest]))
    chance.shuffle(pair)
    return pair[0], pair[1]


def draw_side(seed: int, number: int) -> int:
    """Return the side, 0 or 1, whose response a conversation goes on with after a tie."""
    return random.Random(f"{seed} {number} tie").randrange(2)


def draw_seed(seed: int, number: int) -> int:
    """Return the seed of sampling in a round, below 2**31: both sides have it, and no two rounds share one."""
    return random.Random(f"{seed} {number} sampling").getrandbits(31)
