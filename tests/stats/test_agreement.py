"""Agreement against published values, against a computation pair by pair, and by its coverage."""

import itertools
from collections import Counter

import numpy as np
import pytest

from truing.core.errors import DataError
from truing.stats.agreement import cohen_kappa, krippendorff_alpha

# Krippendorff 2011, section C: four observers (columns) of twelve units; the last has one rating.
_ = None
FOUR_OBSERVERS = [
    [1, 1, _, 1],
    [2, 2, 3, 2],
    [3, 3, 3, 3],
    [3, 3, 3, 3],
    [2, 2, 2, 2],
    [1, 2, 3, 4],
    [4, 4, 4, 4],
    [1, 1, 2, 1],
    [2, 2, 2, 2],
    [_, 5, 5, 5],
    [_, _, 1, 1],
    [_, 3, _, _],
]


@pytest.mark.parametrize(
    ("scale", "published"), [("nominal", 0.743), ("ordinal", 0.815), ("interval", 0.849)]
)
def test_alpha_of_the_published_example(scale, published):
    found = krippendorff_alpha(FOUR_OBSERVERS, scale=scale)
    assert found.coefficient.estimate == pytest.approx(published, abs=5e-4)
    assert found.coefficient.low < published < found.coefficient.high
    assert (found.single, found.constant, found.coefficient.n) == (1, (), 11)


def naive_alpha(ratings, difference):
    """Go through every pair of ratings, one item and all items, without a formula for sums."""
    units = [[value for value in row if value is not None] for row in ratings]
    units = [unit for unit in units if len(unit) > 1]
    everything = [value for unit in units for value in unit]
    observed = sum(
        sum(difference(a, b) for a, b in itertools.permutations(unit, 2)) / (len(unit) - 1) for unit in units
    ) / len(everything)
    pairs = list(itertools.permutations(everything, 2))
    return 1 - observed / (sum(difference(a, b) for a, b in pairs) / len(pairs))


def random_ratings(seed):
    rng = np.random.default_rng(seed)
    truth = rng.integers(1, 6, size=15)
    table = np.clip(truth[:, None] + rng.integers(-1, 2, size=(15, 4)), 1, 7)
    return [[None if rng.random() < 0.2 else int(value) for value in row] for row in table]


@pytest.mark.parametrize("seed", range(3))
def test_alpha_is_what_a_count_of_all_pairs_gives(seed):
    ratings = random_ratings(seed)
    counted = Counter(
        value for row in ratings if sum(v is not None for v in row) > 1 for value in row if value is not None
    )

    def of_ranks(a, b):
        low, high = sorted((a, b))
        return (sum(counted[g] for g in range(low, high + 1)) - (counted[a] + counted[b]) / 2) ** 2

    for scale, difference in {
        "nominal": lambda a, b: float(a != b),
        "ordinal": of_ranks,
        "interval": lambda a, b: (a - b) ** 2,
    }.items():
        found = krippendorff_alpha(ratings, scale=scale, draws=10).coefficient.estimate
        assert found == pytest.approx(naive_alpha(ratings, difference), abs=1e-12)


def test_kappa_by_hand():
    """50 items, 20 + 15 equal: p_o = .7; p_e = .5·.6 + .5·.4 = .5; κ = .2/.5."""
    first = ["yes"] * 25 + ["no"] * 25
    second = ["yes"] * 20 + ["no"] * 5 + ["yes"] * 10 + ["no"] * 15
    found = cohen_kappa(first, second)
    assert found.coefficient.estimate == pytest.approx(0.4)
    assert found.raw.estimate == pytest.approx(0.7)
    assert found.constant == ()
    assert cohen_kappa(second, first).coefficient == found.coefficient


def test_two_raters_agree_alike_by_both_coefficients():
    """Alpha of two raters is kappa with pooled shares and a small-sample term, so they meet as n grows."""
    rng = np.random.default_rng(5)
    first = rng.integers(3, size=4000)
    second = np.where(rng.random(4000) < 0.7, first, rng.integers(3, size=4000))
    kappa = cohen_kappa(first.tolist(), second.tolist(), draws=50).coefficient.estimate
    alpha = krippendorff_alpha(np.stack([first, second], 1).tolist(), draws=50).coefficient.estimate
    assert alpha == pytest.approx(kappa, abs=1e-3)


@pytest.mark.parametrize("second", [["A"] * 4, ["A", "B", "A", "B"]])
def test_a_constant_rater_agrees_by_chance_alone_and_is_named(second):
    found = cohen_kappa(["A"] * 4, second)
    assert found.coefficient.estimate == 0
    assert 0 in found.constant
    assert (1 in found.constant) == (len(set(second)) == 1)


def test_ratings_without_any_difference_have_alpha_0_and_raw_agreement_1():
    for scale in ("nominal", "ordinal", "interval"):
        found = krippendorff_alpha([[0.1, 0.1, 0.1]] * 7, scale=scale)
        assert found.coefficient.estimate == found.coefficient.low == found.coefficient.high == 0
        assert found.raw.estimate == 1
        assert found.constant == (0, 1, 2)


def test_perfect_agreement_on_few_items_is_not_sure():
    few = cohen_kappa(["A", "B"] * 4, ["A", "B"] * 4).coefficient
    many = cohen_kappa(["A", "B"] * 200, ["A", "B"] * 200).coefficient
    assert few.estimate == many.estimate == 1
    # 8 perfect items: Wilson's lower end is 8/(8 + 1.96²) = .676, and chance disagrees half of the time.
    assert few.low == pytest.approx(1 - (1 - 8 / (8 + 1.959964**2)) / 0.5)
    assert many.low > 0.97


def test_items_of_one_cluster_do_not_narrow_the_interval():
    first, second = ["A", "B", "B", "A", "A", "B"] * 5, ["A", "B", "A", "A", "B", "B"] * 5
    alone = cohen_kappa(first, second).coefficient
    copies = cohen_kappa(first * 4, second * 4, list(range(30)) * 4).coefficient
    assert copies.estimate == pytest.approx(alone.estimate)
    assert (copies.low, copies.high) == pytest.approx((alone.low, alone.high))
    naive = cohen_kappa(first * 4, second * 4).coefficient
    assert naive.high - naive.low < 0.7 * (alone.high - alone.low)


def test_the_interval_covers_the_true_kappa():
    """Raters who copy a shared truth with chance √.6 each have κ = .6: both copy it with chance .6."""
    rng = np.random.default_rng(0)
    covered, simulations = 0, 300
    for seed in range(simulations):
        truth = rng.integers(3, size=60)
        first, second = (
            np.where(rng.random(60) < 0.6**0.5, truth, rng.integers(3, size=60)).tolist() for _ in range(2)
        )
        found = cohen_kappa(first, second, seed=seed, draws=300).coefficient
        covered += found.low <= 0.6 <= found.high
    assert 0.91 < covered / simulations < 0.98


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: cohen_kappa(["A"], []), "1 ratings of the first rater but 0"),
        (lambda: krippendorff_alpha([[1, None], [None, 2]]), "none of 2 items has two ratings"),
        (lambda: krippendorff_alpha([[1, 2], [1, 2, 3]]), "rows of different length"),
        (lambda: krippendorff_alpha([[1, 2]], ["a", "b"]), "1 items but 2 clusters"),
        (lambda: krippendorff_alpha([[1, 2]], scale="ratio"), "no scale 'ratio'"),
        (lambda: krippendorff_alpha([[1, float("nan")]], scale="interval"), "not finite"),
    ],
)
def test_ratings_that_cannot_be_compared_are_an_error(call, said):
    with pytest.raises(DataError, match=said):
        call()
