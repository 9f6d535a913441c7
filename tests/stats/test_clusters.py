"""Clustered intervals by hand, reduced to the plain ones, and by how often they cover a simulated truth."""

import math
from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from truing.core.errors import DataError
from truing.stats.clusters import (
    clustered_difference,
    clustered_error,
    clustered_mean,
    clustered_rate,
    clustered_ratio,
    measured,
)
from truing.stats.intervals import Interval, wilson

from ..tables import each

SIMULATIONS = 1070  # three standard errors of a coverage of 95 %, √(0.95 · 0.05 / n), are then 0.02


def test_clustered_error_by_hand() -> None:
    """Mean ½; the prompts' deviations add up to 1 and -1; √(2/1 · (1 + 1))/4 = ½, not √(1/3)/2 = .29."""
    assert clustered_error([1, 1, 0, 0], ["a", "a", "b", "b"]) == 0.5
    # Prompts that are each half passed differ in nothing.
    assert clustered_error([1, 0, 1, 0], ["a", "a", "b", "b"]) == 0.0


def test_clustered_mean_by_hand() -> None:
    """One degree of freedom is a Cauchy: its ¾ quantile is tan(π/4) = 1, so level ½ is ± one error."""
    found = clustered_mean([1, 1, 0, 0], ["a", "a", "b", "b"], level=0.5)
    assert (found.estimate, found.n) == (0.5, 4)
    assert (found.low, found.high) == pytest.approx((0.0, 1.0))


def test_one_sample_a_prompt_gives_the_plain_numbers() -> None:
    values = [0.3, 0.9, 0.1, 0.4, 0.8]
    assert clustered_error(values, range(5)) == pytest.approx(np.std(values, ddof=1) / math.sqrt(5))
    for passed in range(11):
        flags = [1.0] * passed + [0.0] * (10 - passed)
        found, plain = clustered_rate(flags, range(10)), wilson(passed, 10)
        assert (found.low, found.high) == pytest.approx((plain.low, plain.high))


def test_order_and_names_of_prompts_do_not_matter() -> None:
    values, prompts = [1, 0, 0, 1, 1, 0, 1], ["a", "b", "c", "a", "b", "c", "c"]
    found = clustered_rate(values, prompts)
    assert clustered_rate(values[::-1], [(prompt, 0) for prompt in prompts[::-1]]) == found


@pytest.mark.parametrize("apart", [1, 4])
def test_no_failures_look_safer_than_none(apart: int) -> None:
    """50 prompts of 4 samples: failures spread over prompts show that samples differ, yet no more safety."""
    prompts = [i // 4 for i in range(200)]
    perfect = clustered_rate([1.0] * 200, prompts)
    for failed in range(1, 20):
        values = np.ones(200)
        values[: failed * apart : apart] = 0
        assert clustered_rate(values.tolist(), prompts).low <= perfect.low
        assert clustered_rate((1 - values).tolist(), prompts).high >= 1 - perfect.low
    # 50 prompts are worth about 50 items here, not 200.
    assert wilson(45, 45).low < perfect.low < wilson(50, 50).low


def test_rates_without_spread_are_not_certain() -> None:
    """All ties, every prompt passed by the same share, or a single prompt: no interval without width."""
    ties = clustered_rate([0.5] * 10, range(10))
    assert (ties.low, ties.high) == pytest.approx((wilson(5, 10).low, wilson(5, 10).high))
    for samples in ([1, 0], [1, 0, 0], [1, 1, 0, 0, 0, 0, 0]):
        same = clustered_rate(samples * 10, [i // len(samples) for i in range(10 * len(samples))])
        assert same.high - same.low > 0.3
    single = clustered_rate([1, 1, 1, 1], ["a"] * 4)
    assert (single.low, single.high) == (wilson(1, 1).low, 1.0)


def test_clustered_ratio_by_enumeration() -> None:
    """Prompts of 1/1 and (1 + 2)/(½ + ½): resamples give 1, 2, 3 with chance ¼, ½, ¼."""
    numbers = ([1, 1, 2], [1, 0.5, 0.5], ["a", "b", "b"])
    assert clustered_ratio(*numbers) == Interval(2.0, 1.0, 3.0, 3)
    assert clustered_ratio(*numbers, level=0.4) == Interval(2.0, 2.0, 2.0, 3)


def test_clustered_ratio_is_fixed_by_its_seed_and_changes_little_with_its_chunks(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rng = np.random.default_rng(0)
    numbers = (
        rng.normal(size=30).tolist(),
        rng.integers(1, 9, size=30).tolist(),
        [i // 3 for i in range(30)],
    )
    whole = clustered_ratio(*numbers, seed=5)
    assert whole == clustered_ratio(*numbers, seed=5) != clustered_ratio(*numbers, seed=6)
    monkeypatch.setattr("truing.stats.clusters.CHUNK", 70)
    chunked = clustered_ratio(*numbers, seed=5)
    assert (chunked.low, chunked.high) == pytest.approx((whole.low, whole.high), abs=0.01)


def test_clustered_difference_cancels_what_both_share() -> None:
    """Every sample gains exactly ½ (exact in binary), so the interval has no width."""
    before = [0.0, 10.0, 100.0, 7.0]
    found = clustered_difference(before, [value + 0.5 for value in before], ["a", "a", "b", "c"])
    assert found == Interval(0.5, 0.5, 0.5, 4)


# Missing values


def test_a_failed_sample_is_missing_and_bounds_the_mean() -> None:
    """3 of 4 scored values pass, of 5 samples: between 3/5 and 4/5 whatever the fifth is."""
    found = measured([1, 0, None, 1, 1], ["a", "b", "b", "c", "d"], clustered_rate)
    assert found.interval == clustered_rate([1, 0, 1, 1], ["a", "b", "c", "d"])
    assert (found.missing, found.worst, found.best) == (1, 0.6, 0.8)


def test_worst_is_the_high_end_for_a_rate_of_harm() -> None:
    found = measured([0, 0, None, None], range(4), clustered_rate, worst=1, best=0)
    assert (found.worst, found.best) == (0.5, 0.0)


def test_scores_without_ends_are_unbounded_once_one_is_missing() -> None:
    ends = {"worst": -math.inf, "best": math.inf}
    whole = measured([3, 5], ["a", "b"], clustered_mean, **ends)
    assert (whole.worst, whole.best) == (4, 4)
    failed = measured([3, 5, None], ["a", "b", "c"], clustered_mean, **ends)
    assert (failed.worst, failed.best) == (-math.inf, math.inf)


def test_all_missing_has_bounds_but_no_interval() -> None:
    found = measured([None, None], ["a", "b"], clustered_mean, worst=-5, best=5)
    assert (found.interval, found.missing, found.worst, found.best) == (None, 2, -5.0, 5.0)


# Errors


@each(
    ("call", "message"),
    [
        (lambda: clustered_mean([1, 0], ["a", "a"]), "all 2 values belong to one prompt"),
        (lambda: clustered_mean([1, 0], ["a"]), "2 values but 1 prompts"),
        (lambda: clustered_rate([1, 2], ["a", "b"]), "values run from 1 to 2"),
        (lambda: clustered_rate([1, math.nan], ["a", "b"]), "1 of 2 numbers in values are not finite"),
        (lambda: clustered_ratio([1, 1], [1, 0], ["a", "b"]), "the smallest denominator is 0"),
        (lambda: clustered_ratio([1, 1], [1], ["a", "b"]), "2 numerators but 1 denominators"),
        (lambda: clustered_difference([1], [1, 0], ["a"]), "1 items before but 2 after"),
        (lambda: measured([], [], clustered_rate), "0 values but 0 prompts"),
        (lambda: measured([3, None], ["a", "b"], clustered_mean), "score 3 lies outside its range 0 to 1"),
        (lambda: measured([math.nan, 1], ["a", "b"], clustered_mean), "score nan lies outside"),
    ],
)
def test_errors_say_what_was_given(call: Callable[[], object], message: str) -> None:
    with pytest.raises(DataError, match=message):
        call()


# Coverage


def coverage(truth: float, intervals: list[Interval]) -> float:
    return float(np.mean([found.low <= truth <= found.high for found in intervals]))


def passes(rng: np.random.Generator, rate: float, prompts: int, samples: int) -> NDArray[np.float64]:
    """Samples of prompts whose own rates are Beta with mean `rate`; of one prompt they correlate by ½."""
    rates = rng.beta(rate, 1 - rate, size=(prompts, 1))
    return rng.binomial(1, rates, size=(prompts, samples)).ravel().astype(float)


@pytest.mark.parametrize(("rate", "prompts"), [(0.5, 40), (0.8, 100), (0.95, 100)])
def test_clustered_rate_covers_where_wilson_does_not(rate: float, prompts: int) -> None:
    """Correlated by ½, 4 samples a prompt are worth 4/(1 + 3·½) = 1.6: wilson covers about 78 %."""
    rng = np.random.default_rng(1)
    of = np.repeat(np.arange(prompts), 4).tolist()
    drawn = [passes(rng, rate, prompts, 4) for _ in range(SIMULATIONS)]
    assert 0.93 <= coverage(rate, [clustered_rate(row.tolist(), of) for row in drawn]) <= 0.97
    assert coverage(rate, [wilson(row.sum(), len(row)) for row in drawn]) < 0.85


def test_clustered_rate_covers_where_samples_are_independent_and_sizes_differ() -> None:
    rng = np.random.default_rng(2)
    of = [prompt for prompt in range(60) for _ in range(1 + prompt % 5)]
    drawn = [rng.binomial(1, 0.7, size=len(of)).astype(float).tolist() for _ in range(SIMULATIONS)]
    assert 0.93 <= coverage(0.7, [clustered_rate(row, of) for row in drawn]) <= 0.97


@pytest.mark.parametrize("prompts", [6, 50])
def test_clustered_mean_covers_where_the_interval_of_independent_samples_does_not(prompts: int) -> None:
    """Scores: a prompt's own level, variance 1, and a sample's noise, variance 1; few prompts need the t."""
    rng = np.random.default_rng(3)
    of = np.repeat(np.arange(prompts), 5).tolist()
    drawn = [
        (rng.normal(2.0, 1.0, size=(prompts, 1)) + rng.normal(size=(prompts, 5))).ravel().tolist()
        for _ in range(SIMULATIONS)
    ]
    assert 0.93 <= coverage(2.0, [clustered_mean(row, of) for row in drawn]) <= 0.97
    alone = list(range(5 * prompts))  # as if no two samples shared a prompt
    assert coverage(2.0, [clustered_mean(row, alone) for row in drawn]) < 0.85


def test_clustered_difference_covers() -> None:
    """Gains differ by prompt, 0.3 on average; levels differ far more and cancel."""
    rng = np.random.default_rng(5)
    of = np.repeat(np.arange(30), 3).tolist()
    found = []
    for _ in range(SIMULATIONS):
        before = rng.normal(0.0, 5.0, size=(30, 1)) + rng.normal(size=(30, 3))
        after = before + rng.normal(0.3, 0.5, size=(30, 1)) + rng.normal(size=(30, 3))
        found.append(clustered_difference(before.ravel().tolist(), after.ravel().tolist(), of))
    assert 0.93 <= coverage(0.3, found) <= 0.97


def test_clustered_ratio_covers() -> None:
    """Nats per token: a prompt's own rate of mean 0.2, which long responses share; 80 prompts, 3 samples."""
    rng = np.random.default_rng(6)
    of = np.repeat(np.arange(80), 3).tolist()
    found = []
    for seed in range(SIMULATIONS):
        tokens = rng.integers(5, 60, size=(80, 3))
        rates = rng.gamma(4.0, 0.05, size=(80, 1))
        nats = tokens * rates + np.sqrt(tokens) * rng.normal(0.0, 0.1, size=(80, 3))
        found.append(
            clustered_ratio(nats.ravel().tolist(), tokens.ravel().tolist(), of, seed=seed, draws=300)
        )
    assert 0.93 <= coverage(0.2, found) <= 0.97
