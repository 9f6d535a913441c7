"""Pairs and sides of the arena: fewest comparisons first, the same by the same seed, fair between sides."""

from collections import Counter
from itertools import combinations

from truing.web.arena.drawing import draw_pair, draw_seed, draw_side

MODELS = ["a", "b", "c", "d"]


def test_the_pair_with_the_fewest_comparisons_is_drawn_and_its_sides_too():
    compared: Counter[frozenset[str]] = Counter()
    firsts: Counter[str] = Counter()
    for number in range(600):
        left, right = draw_pair(MODELS, compared, 7, number)
        firsts[left] += 1
        compared[frozenset((left, right))] += 1
    assert set(compared.values()) == {100}, "every pair once before any comes again"
    assert {frozenset(pair) for pair in combinations(MODELS, 2)} == set(compared)
    assert all(120 < count < 180 for count in firsts.values()), "each stands left in about half of its 300"


def test_a_draw_is_a_function_of_seed_and_number():
    def drawn(seed: int) -> list[object]:
        return [
            (draw_pair(MODELS, {}, seed, number), draw_side(seed, number), draw_seed(seed, number))
            for number in range(30)
        ]

    assert drawn(1) == drawn(1) != drawn(2)
    assert len({seed for _, _, seed in drawn(1)}) == 30
    assert {side for _, side, _ in drawn(1)} == {0, 1}
