"""Intervals against published tables and against bootstraps small enough to enumerate by hand."""

import math

import numpy as np
import pytest
from scipy import stats

from truing.core.errors import DataError
from truing.stats.intervals import Interval, bootstrap_mean, holm, mcnemar, paired_bootstrap, wilson


@pytest.mark.parametrize(
    ("successes", "n", "low", "high"),
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)],
)
def test_wilson_matches_newcombe_1998_table_1(successes: int, n: int, low: float, high: float) -> None:
    """Newcombe 1998, Statistics in Medicine 17:857, table I, method 3, printed to four decimals."""
    found = wilson(successes, n)
    assert found.estimate == successes / n
    assert found.low == pytest.approx(low, abs=5e-5)
    assert found.high == pytest.approx(high, abs=5e-5)
    assert found.n == n


def test_wilson_of_a_half_by_hand() -> None:
    """p = ½, n = 4, z = 1: centre (½ + 1/8) / (1 + 1/4) = ½; half √(1/16 + 1/64) / (5/4) = √5/10."""
    level = math.erf(1 / math.sqrt(2))  # the share of a normal within one standard deviation
    found = wilson(2, 4, level)
    assert found.low == pytest.approx(0.5 - math.sqrt(5) / 10)
    assert found.high == pytest.approx(0.5 + math.sqrt(5) / 10)


@pytest.mark.parametrize("n", [1, 7, 100])
def test_wilson_laws(n: int) -> None:
    """Inside [0, 1], around the rate, touching the end at 0 and n, and mirrored for failures."""
    for successes in range(n + 1):
        found, mirrored = wilson(successes, n), wilson(n - successes, n)
        assert 0 <= found.low <= found.estimate <= found.high <= 1
        assert found.low == pytest.approx(1 - mirrored.high)
    assert wilson(0, n).low == 0.0
    assert wilson(n, n).high == 1.0


@pytest.mark.parametrize(("successes", "n"), [(0, 0), (-1, 5), (6, 5)])
def test_wilson_refuses_what_is_no_rate(successes: int, n: int) -> None:
    with pytest.raises(DataError, match=f"{successes} successes out of {n}"):
        wilson(successes, n)


def test_bootstrap_of_two_values_by_enumeration() -> None:
    """Resamples of [0, 1] have mean 0, ½, 1 with chance ¼, ½, ¼: quantiles .025/.975 and .3/.7 follow."""
    assert bootstrap_mean([0, 1], level=0.95) == Interval(0.5, 0.0, 1.0, 2)
    assert bootstrap_mean([0, 1], level=0.4) == Interval(0.5, 0.5, 0.5, 2)


def test_the_bootstrap_of_one_value_is_that_value() -> None:
    assert bootstrap_mean([0.3]) == Interval(0.3, 0.3, 0.3, 1)


def test_bootstrap_approaches_the_normal_interval() -> None:
    """0..99: mean 49.5, variance (100² - 1)/12, so the 95 % half-width is near 1.96·√(833.25/100) = 5.66."""
    found = bootstrap_mean(range(100), seed=3)
    assert found.estimate == 49.5
    assert found.low == pytest.approx(49.5 - 5.66, abs=0.25)
    assert found.high == pytest.approx(49.5 + 5.66, abs=0.25)


def test_bootstrap_is_fixed_by_its_seed_and_not_by_its_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    values = [0.1, 0.4, 0.2, 0.9, 0.7]
    whole = bootstrap_mean(values, seed=1, draws=500)
    assert whole == bootstrap_mean(values, seed=1, draws=500)
    assert whole != bootstrap_mean(values, seed=2, draws=500)
    # 128 is even: numpy draws two 32-bit integers per word, so odd chunks would drop a half word.
    monkeypatch.setattr("truing.stats.intervals.CHUNK", 128 * len(values))
    assert bootstrap_mean(values, seed=1, draws=500) == whole


def test_paired_bootstrap_cancels_what_both_share() -> None:
    """Every item gains exactly 0.5 (exact in binary), so the interval has no width."""
    before = [0.0, 10.0, 100.0, 7.0]
    assert paired_bootstrap(before, [value + 0.5 for value in before]) == Interval(0.5, 0.5, 0.5, 4)


def test_paired_bootstrap_has_the_sign_of_the_gain() -> None:
    before, after = [0] * 30 + [1] * 10, [1] * 25 + [0] * 5 + [1] * 10
    gained, lost = paired_bootstrap(before, after), paired_bootstrap(after, before)
    assert gained.estimate == 25 / 40
    assert gained.low > 0
    assert lost.estimate == -25 / 40
    assert lost.high < 0
    even = paired_bootstrap([0, 1], [1, 0])
    assert even.low < 0 < even.high


@pytest.mark.parametrize(
    ("lost", "won", "p"),
    [(1, 5, 14 / 64), (0, 10, 2 / 1024), (10, 0, 2 / 1024), (3, 3, 1.0), (0, 0, 1.0), (0, 1, 1.0)],
)
def test_mcnemar_by_hand(lost: int, won: int, p: float) -> None:
    """1 lost, 5 won: 2·(C(6,0) + C(6,1))/2⁶ = 14/64. 0 and 10: 2·1/2¹⁰. Unchanged items do not count."""
    before = [True] * lost + [False] * won + [True, False]
    after = [False] * lost + [True] * won + [True, False]
    assert mcnemar(before, after) == pytest.approx(p)


@pytest.mark.parametrize("compare", [mcnemar, paired_bootstrap])
def test_pairs_need_the_same_items(compare) -> None:
    with pytest.raises(DataError, match="2 items before but 1 after"):
        compare([0, 1], [1])


@pytest.mark.parametrize("values", [[], [1.0, math.nan], [math.inf]])
def test_unscored_items_are_never_averaged(values: list[float]) -> None:
    with pytest.raises(DataError):
        bootstrap_mean(values)


def test_mcnemar_refuses_graded_scores() -> None:
    with pytest.raises(DataError, match="before holds numbers other"):
        mcnemar([0.5, 1], [1, 1])  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize("level", [0.0, 1.0, 95])
def test_a_level_is_a_share(level: float) -> None:
    with pytest.raises(ValueError, match="between 0 and 1"):
        wilson(1, 2, level)
    with pytest.raises(ValueError, match="between 0 and 1"):
        bootstrap_mean([1.0, 2.0], level=level)


def test_an_interval_checks_itself() -> None:
    with pytest.raises(ValueError, match="not an interval"):
        Interval(0.5, 0.6, 0.4, 3)
    with pytest.raises(ValueError, match="at least one"):
        Interval(0.5, 0.4, 0.6, 0)


def test_holm_by_hand() -> None:
    """Sorted: 4·.005 = .02, 3·.01 = .03, 2·.03 = .06, 1·.04 raised to .06; given back in their own order."""
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.6, 0.5]) == [1.0, 1.0]
    assert holm([0.04]) == [0.04]
    assert holm([]) == []


def test_holm_keeps_the_chance_of_any_false_alarm_that_single_tests_lose() -> None:
    """20 true hypotheses a family: at α = .05 single tests raise an alarm in 1 - .95²⁰ = 64 %."""
    families = np.random.default_rng(0).uniform(size=(2000, 20))
    alarms = np.mean([min(holm(family.tolist())) <= 0.05 for family in families])
    assert (families.min(axis=1) <= 0.05).mean() > 0.6
    assert 0.04 <= alarms <= 0.06


@pytest.mark.parametrize("p_values", [[0.1, 1.2], [-0.1], [math.nan]])
def test_holm_refuses_what_is_no_p_value(p_values: list[float]) -> None:
    with pytest.raises(DataError):
        holm(p_values)


def wilson_coverage(n: int, rate: float) -> float:
    """Exactly: the chance of every count of successes, summed where the interval holds the rate."""
    found = [wilson(successes, n) for successes in range(n + 1)]
    holds = np.array([interval.low <= rate <= interval.high for interval in found])
    return float(stats.binom.pmf(np.arange(n + 1), n, rate)[holds].sum())


@pytest.mark.parametrize("rate", [0.05, 0.1, 0.35, 0.5, 0.8, 0.95])
def test_wilson_covers(rate: float) -> None:
    assert 0.93 <= wilson_coverage(250, rate) <= 0.97


@pytest.mark.parametrize("n", [20, 60, 100])
def test_wilson_covers_few_items_on_average_over_rates(n: int) -> None:
    """Counts are whole, so at one rate the coverage of few items jumps by a point or two."""
    assert np.mean([wilson_coverage(n, rate) for rate in np.arange(0.03, 0.98, 0.01)]) == pytest.approx(
        0.95, abs=0.01
    )


def test_bootstraps_cover() -> None:
    """Lengths are skewed: gamma of shape 4, mean 4. The change has mean ½ and varies with the length."""
    rng = np.random.default_rng(4)
    means, changes = [], []
    for seed in range(2000):
        before = rng.gamma(4.0, size=120)
        after = before + rng.normal(0.5, 0.2 * before)
        mean = bootstrap_mean(before.tolist(), seed=seed, draws=500)
        change = paired_bootstrap(before.tolist(), after.tolist(), seed=seed, draws=500)
        means.append(mean.low <= 4.0 <= mean.high)
        changes.append(change.low <= 0.5 <= change.high)
    assert 0.93 <= np.mean(means) <= 0.97
    assert 0.93 <= np.mean(changes) <= 0.97
