"""Fleiss' kappa and Gwet's coefficients against published tables, a count of all pairs, their coverage."""

import csv
import itertools
from pathlib import Path

import numpy as np
import pytest
from tests.stats.test_agreement import FOUR_OBSERVERS

from truing.core.errors import DataError
from truing.stats.agreement import krippendorff_alpha
from truing.stats.chance_corrected import fleiss_kappa, gwet_ac

# 14 people, ten items, five categories: how many gave each.
FOURTEEN = [
    (0, 0, 0, 0, 14),
    (0, 2, 6, 4, 2),
    (0, 0, 3, 5, 6),
    (0, 3, 9, 2, 0),
    (2, 2, 8, 1, 1),
    (7, 7, 0, 0, 0),
    (3, 2, 6, 3, 0),
    (2, 5, 3, 2, 2),
    (6, 5, 2, 1, 0),
    (0, 2, 2, 3, 7),
]


def spread(counts):
    return [label for label, count in enumerate(counts) for _ in range(count)]


def test_fleiss_kappa_of_the_published_tables():
    assert fleiss_kappa([spread(row) for row in FOURTEEN]).coefficient.estimate == pytest.approx(
        0.210, abs=5e-4
    )
    # irrCAC 1.0: 0.76117 with p_o = 0.8181818 and p_e = 0.2387153.
    found = fleiss_kappa(FOUR_OBSERVERS)
    assert found.coefficient.estimate == pytest.approx(0.76117, abs=5e-6)
    assert found.raw.estimate == pytest.approx(0.8181818, abs=1e-7)
    assert (found.single, found.constant, found.coefficient.n) == (1, (), 11)


def test_ac1_of_the_published_tables():
    """irrCAC 1.0: 0.77544 of four raters, and 0.84933 of two abstractors, by 13, 20, 56 equal of 100."""
    assert gwet_ac(FOUR_OBSERVERS).coefficient.estimate == pytest.approx(0.77544, abs=5e-6)
    table = [("e", "e", 13), ("a", "a", 20), ("a", "n", 7), ("n", "a", 4), ("n", "n", 56)]
    two = [[first, second] for first, second, count in table for _ in range(count)]
    found = gwet_ac(two).coefficient
    assert found.estimate == pytest.approx(0.84933, abs=5e-6)
    # Gwet's own interval, by its variance, is 0.764 to 0.935.
    assert (found.low, found.high) == pytest.approx((0.764, 0.935), abs=0.012)


def naive_ac2(ratings, labels, closeness):
    """Go through every pair of ratings of each item, and through all pairs of labels."""
    units = [[value for value in row if value is not None] for row in ratings]
    observed = np.mean(
        [np.mean([closeness(a, b) for a, b in itertools.permutations(u, 2)]) for u in units if len(u) > 1]
    )
    shares = [np.mean([unit.count(label) / len(unit) for unit in units if unit]) for label in labels]
    q = len(labels)
    weight = sum(closeness(a, b) for a in labels for b in labels)
    chance = weight / (q * (q - 1)) * sum(share * (1 - share) for share in shares)
    return (observed - chance) / (1 - chance)


@pytest.mark.parametrize(
    ("scale", "closeness"),
    [
        ("nominal", lambda a, b: float(a == b)),
        ("ordinal", lambda a, b: 1 - abs(a - b) * (abs(a - b) + 1) / 20),
        ("interval", lambda a, b: 1 - (a - b) ** 2 / 16),
    ],
)
def test_ac2_is_what_a_count_of_all_pairs_gives(scale, closeness):
    found = gwet_ac(FOUR_OBSERVERS, labels=range(1, 6), scale=scale, draws=10)
    assert found.coefficient.estimate == pytest.approx(
        naive_ac2(FOUR_OBSERVERS, range(1, 6), closeness), abs=1e-12
    )
    rows = [row for row in FOUR_OBSERVERS for _ in range(2)]
    assert gwet_ac(rows, labels=range(1, 6), scale=scale, draws=10).coefficient.estimate == pytest.approx(
        found.coefficient.estimate
    )


def test_alpha_and_kappa_collapse_where_one_label_dominates_and_ac1_does_not():
    """97 of 100 items are safe to both, three to one alone: equal on 97 %, and no better than chance?"""
    ratings = [["safe", "safe"]] * 97 + [["safe", "unsafe"], ["unsafe", "safe"], ["safe", "unsafe"]]
    assert krippendorff_alpha(ratings).coefficient.estimate < 0
    assert fleiss_kappa(ratings).coefficient.estimate < 0
    found = gwet_ac(ratings)
    assert found.raw.estimate == pytest.approx(0.97)
    # p_e = 2 · .985 · .015 = .02955, so AC1 = (.97 - .02955)/(1 - .02955).
    assert found.coefficient.estimate == pytest.approx((0.97 - 0.02955) / (1 - 0.02955))
    assert found.coefficient.low > 0.9


def test_the_same_rating_everywhere_is_undefined_for_kappa_and_says_why():
    found = fleiss_kappa([["safe", "safe"]] * 5)
    assert found.coefficient.estimate == 0
    assert found.raw.estimate == 1
    assert "every rating is safe" in str(found.undefined)
    assert "every rating is safe" in str(krippendorff_alpha([["safe", "safe"]] * 5).undefined)
    assert gwet_ac([["safe", "safe"]] * 5, labels=["safe", "unsafe"]).coefficient.estimate == 1
    assert "every rating is safe" in str(gwet_ac([["safe", "safe"]] * 5).undefined)
    assert gwet_ac([["safe", "unsafe"]] * 5).undefined is None


def test_many_items_of_one_rating_do_not_make_three_of_two_sure():
    """The other ratings may come from three items alone: the interval is as wide as three items leave it."""
    ratings = [["a", "a"], ["b", "b"], ["a", "a"]] + [["a", None], [None, "b"]] * 100
    found = gwet_ac(ratings).coefficient
    assert found.n == 3
    assert found.estimate == 1
    assert found.low < 0.2


def test_the_interval_covers_the_true_ac1():
    """Raters who copy a shared truth with chance √.6 each: AC1 over even shares is .6."""
    rng = np.random.default_rng(0)
    covered, simulations = 0, 300
    for seed in range(simulations):
        truth = rng.integers(3, size=150)
        raters = [np.where(rng.random(150) < 0.6**0.5, truth, rng.integers(3, size=150)) for _ in range(2)]
        found = gwet_ac(np.stack(raters, 1).tolist(), labels=[0, 1, 2], seed=seed, draws=300).coefficient
        covered += found.low <= 0.6 <= found.high
    assert 0.91 < covered / simulations < 0.98


def test_ten_thousand_items_a_thousand_times():
    rng = np.random.default_rng(1)
    truth = rng.integers(1, 6, size=10_000)
    rows = np.clip(truth[:, None] + rng.integers(-1, 2, size=(10_000, 3)), 1, 5).tolist()
    found = gwet_ac(rows, labels=range(1, 6), scale="ordinal", draws=1000).coefficient
    assert found.high - found.low < 0.02
    assert fleiss_kappa(rows, draws=1000).coefficient.high - found.low < 0


SHARED = Path(__file__).parents[3] / "shared" / "data"


@pytest.mark.parametrize("name", ["hate_speech", "violence"])
def test_three_people_on_real_responses(name):
    path = SHARED / f"three_raters_{name}.csv"
    if not path.exists():
        pytest.skip(f"needs {path.name}, which is handed around beside the repository")
    with path.open(encoding="utf-8", newline="") as file:
        rows = [[float(row[f"rater_{i}"]) for i in (1, 2, 3)] for row in csv.DictReader(file)]
    labels = [0, 0.25, 0.5, 0.75, 1]
    alpha = krippendorff_alpha(rows, scale="ordinal").coefficient
    ac2 = gwet_ac(rows, labels=labels, scale="ordinal").coefficient

    def near(a, b):
        gap = abs(labels.index(a) - labels.index(b))
        return 1 - gap * (gap + 1) / 20

    assert ac2.estimate == pytest.approx(naive_ac2(rows, labels, near), abs=1e-12)
    assert ac2.low < ac2.estimate < ac2.high
    assert alpha.low < alpha.estimate < alpha.high


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: fleiss_kappa([[1, None], [None, 2]]), "none of 2 items has two ratings"),
        (lambda: fleiss_kappa([]), "none of 0 items has two ratings"),
        (lambda: gwet_ac([[1, 2]], labels=[1]), "rating 2 is none of 1"),
        (lambda: gwet_ac([[1, 2]], scale="ratio"), "no scale 'ratio'"),
    ],
)
def test_ratings_that_cannot_be_compared_are_an_error(call, said):
    with pytest.raises(DataError, match=said):
        call()
