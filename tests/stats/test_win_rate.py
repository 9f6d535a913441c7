"""Win rates by hand, against scipy's own optimiser, and against judges whose length bias is known."""

import math
from dataclasses import replace

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.special import expit

from truing.core.errors import DataError
from truing.stats.clusters import clustered_rate
from truing.stats.intervals import wilson
from truing.stats.win_rate import (
    LENGTH_PRIOR,
    RIDGE,
    Judged,
    alpaca_win_rate,
    from_alpaca,
    length_controlled,
    win_rate,
)


def rows(preferences: list[float | None], gaps: list[int] | None = None) -> list[Judged]:
    """One comparison a prompt; gaps are by how much the policy's response is longer."""
    gaps = gaps or [(-1) ** i * i for i in range(len(preferences))]
    return [
        Judged(f"p{i}", value, 1000 + gap, 1000)
        for i, (value, gap) in enumerate(zip(preferences, gaps, strict=True))
    ]


def biased_judge(
    rng: np.random.Generator, n: int, quality: float, bias: float, difficulty: float = 0.0
) -> list[Judged]:
    """Log-odds = quality + bias·tanh(gap/std) + difficulty·γ; responses are longer by 200 ± 300."""
    gaps = rng.normal(200, 300, size=n).round()
    hardness = rng.normal(size=n)
    odds = quality + bias * np.tanh(gaps / gaps.std(ddof=1)) + difficulty * hardness
    won = rng.binomial(1, expit(odds))
    return [
        Judged(f"p{i}", float(won[i]), int(2000 + gaps[i]), 2000, hardness[i] if difficulty else None)
        for i in range(n)
    ]


# Raw


def test_raw_win_rate_by_hand() -> None:
    """1, ½, 0, 1 and an error: 2.5/4; deviations .375, -.125, -.625, .375, so the error is √(.6875/12)."""
    found = win_rate(rows([1, 0.5, 0, 1, None]))
    assert found.raw.interval is not None and found.raw.interval.estimate == 0.625
    assert found.standard_error == pytest.approx(math.sqrt(0.6875 / 12))
    assert (found.wins, found.ties, found.losses, found.raw.missing) == (2, 1, 1, 1)
    assert (found.raw.worst, found.raw.best) == (0.5, 0.7)


def test_raw_win_rate_without_ties_is_wilson_and_several_samples_a_prompt_widen_it() -> None:
    judged = rows([1.0] * 30 + [0.0] * 10)
    found = win_rate(judged)
    assert found.raw.interval is not None
    assert (found.raw.interval.low, found.raw.interval.high) == pytest.approx(
        (wilson(30, 40).low, wilson(30, 40).high)
    )
    repeated = win_rate([replace(row, prompt=f"p{i // 5}") for i, row in enumerate(judged)])
    assert repeated.raw.interval == clustered_rate([1.0] * 30 + [0.0] * 10, [f"p{i // 5}" for i in range(40)])
    assert repeated.standard_error > 1.5 * found.standard_error


def test_no_verdicts_are_no_win_rate() -> None:
    with pytest.raises(DataError, match="none of 3 comparisons has a verdict"):
        win_rate(rows([None, None, None]))
    with pytest.raises(DataError, match="belong to one prompt"):
        win_rate([Judged("p", 1.0, 5, 4), Judged("p", 0.0, 5, 6)])


@pytest.mark.parametrize(("preference", "length"), [(2.0, 3), (-0.5, 3), (math.nan, 3), (1.0, -1)])
def test_a_comparison_checks_itself(preference: float, length: int) -> None:
    with pytest.raises(DataError, match="'p0'"):
        Judged("p0", preference, length, 3)


# AlpacaEval


def annotations(preferences: list[float | None]) -> list[dict]:
    return [
        {
            "instruction": f"p{i}",
            "output_1": "abc",
            "output_2": "abcdé",
            "preference": value,
            "annotator": "a",
        }
        for i, value in enumerate(preferences)
    ]


def test_alpaca_win_rate_by_hand() -> None:
    """1, 2, 2, 1.5 are 0, 1, 1, ½: 62.5 %; squares .3906 + 2·.1406 + .0156 = .6875; √(.6875/12) = .23936."""
    found = alpaca_win_rate(from_alpaca(annotations([1, 2, 2.0, 1.5])))
    assert found.win_rate == 62.5
    assert found.standard_error == pytest.approx(23.9357, abs=1e-4)
    assert (found.wins, found.losses, found.ties, found.discrete_win_rate) == (2, 1, 1, 62.5)


def test_alpaca_weighted_preferences_by_hand() -> None:
    """1.9, 1.25, an old tie (0) and two failures: (.9 + .25 + .5)/3 = 55 %, but one win, loss and tie: 50 %.

    Squares .35² + .3² + .05² = .215; √(.215/2/3) = .18930.
    """
    found = alpaca_win_rate(from_alpaca(annotations([1.9, 1.25, 0, None, math.nan])))
    assert found.win_rate == pytest.approx(55)
    assert found.standard_error == pytest.approx(18.930, abs=1e-3)
    assert found.discrete_win_rate == 50
    assert found.missing == 2


def test_alpaca_annotations_are_read() -> None:
    """The policy is output_2; lengths are characters."""
    assert from_alpaca(annotations([1.75])) == [Judged("p0", 0.75, 5, 3)]


@pytest.mark.parametrize("preference", [3, 0.5, -1, "2"])
def test_other_preferences_are_errors(preference) -> None:
    with pytest.raises(DataError, match="annotation 1 has the preference"):
        from_alpaca(annotations([1, preference]))


def test_alpaca_errors_say_what_is_missing() -> None:
    with pytest.raises(DataError, match="annotation 0 has no output_1, preference"):
        from_alpaca([{"instruction": "p", "output_2": "a"}])
    with pytest.raises(DataError, match="1 of 2 annotations"):
        alpaca_win_rate(from_alpaca(annotations([1, None])))


# Length control


@pytest.mark.parametrize("with_difficulty", [False, True])
def test_weights_are_those_of_an_independent_optimiser(with_difficulty: bool) -> None:
    rng = np.random.default_rng(0)
    judged = biased_judge(rng, 120, 0.4, 1.2, 0.8 if with_difficulty else 0.0)
    judged = [replace(row, preference=rng.choice([row.preference, 0.5])) for row in judged]
    gaps = np.array([row.length - row.baseline_length for row in judged], dtype=float)
    hardness = np.log([1 + row.baseline_length for row in judged])
    if with_difficulty:
        hardness = np.array([row.difficulty for row in judged])
    standard = (hardness - hardness.mean()) / (hardness.std() or 1)
    columns = [np.ones(120), np.tanh(gaps / gaps.std(ddof=1)), standard]
    features, y = np.column_stack(columns), np.array([row.preference for row in judged])

    ridge = np.array([RIDGE, LENGTH_PRIOR, RIDGE])

    def penalised(weights):
        odds = features @ weights
        return (np.logaddexp(0, odds) - y * odds).sum() + (ridge / 2 * weights**2).sum()

    weights = minimize(penalised, np.zeros(len(columns)), tol=1e-10).x
    features[:, 1] = 0
    found = length_controlled(judged, draws=10)
    assert found.length_effect == pytest.approx(weights[1], abs=1e-4)
    assert found.interval.estimate == pytest.approx(expit(features @ weights).mean(), abs=1e-5)


@pytest.mark.parametrize(("quality", "difficulty"), [(0.0, 0.0), (-0.5, 0.0), (0.8, 0.0), (0.3, 1.0)])
def test_length_control_recovers_what_a_biased_judge_hides(quality: float, difficulty: float) -> None:
    """At equal length the judge prefers the policy with σ(quality + difficulty·γ); the truth is its mean."""
    rng = np.random.default_rng(8)
    judged = biased_judge(rng, 20_000, quality, 1.5, difficulty)
    truth = expit(quality + difficulty * rng.normal(size=100_000)).mean()
    found = length_controlled(judged, draws=10)
    assert abs(found.interval.estimate - truth) < 0.02
    assert np.mean([row.preference for row in judged]) - truth > 0.07
    assert found.length_effect == pytest.approx(1.5, abs=0.15)


def test_length_control_is_unbiased_and_covers_at_the_size_of_an_evaluation() -> None:
    rng = np.random.default_rng(9)
    truth = expit(0.3)
    found = [
        length_controlled(biased_judge(rng, 200, 0.3, 1.0), seed=seed, draws=400).interval
        for seed in range(500)
    ]
    assert abs(np.mean([interval.estimate for interval in found]) - truth) < 0.01
    assert 0.93 <= np.mean([interval.low <= truth <= interval.high for interval in found]) <= 0.97


def test_a_fair_judge_and_equal_lengths_leave_the_raw_rate() -> None:
    fair = biased_judge(np.random.default_rng(1), 20_000, 0.6, 0.0)
    raw = np.mean([row.preference for row in fair])
    assert length_controlled(fair, draws=10).interval.estimate == pytest.approx(raw, abs=0.01)
    equal = rows([1.0] * 30 + [0.5] * 4 + [0.0] * 10, [0] * 44)
    assert length_controlled(equal).interval.estimate == pytest.approx(32 / 44, abs=1e-3)


def test_swapping_the_sides_mirrors_the_length_controlled_rate() -> None:
    judged = biased_judge(np.random.default_rng(2), 100, 0.5, 1.0, difficulty=0.5)
    swapped = [
        Judged(row.prompt, 1 - row.preference, row.baseline_length, row.length, row.difficulty)
        for row in judged
        if row.preference is not None
    ]
    one, other = length_controlled(judged), length_controlled(swapped)
    assert one.interval.estimate == pytest.approx(1 - other.interval.estimate)
    assert one.interval.low == pytest.approx(1 - other.interval.high)
    assert one.length_effect == pytest.approx(other.length_effect)


def test_the_interval_resamples_prompts_and_is_fixed_by_its_seed() -> None:
    judged = biased_judge(np.random.default_rng(3), 100, 0.5, 1.0)
    fourfold = [row for row in judged for _ in range(4)]
    once, again = length_controlled(judged, seed=4), length_controlled(judged, seed=4)
    assert once == again != length_controlled(judged, seed=5)
    # The same verdicts four times are no more evidence; only the ridge weighs a quarter.
    repeated = length_controlled(fourfold, seed=4).interval
    assert (repeated.low, repeated.high) == pytest.approx((once.interval.low, once.interval.high), abs=0.01)


def test_a_judge_that_looks_at_length_alone_does_not_break_the_fit() -> None:
    """The longer response always wins: separable, and nothing is left at equal length.

    The prior alone bounds the weight: at its best, the slope of the likelihood is LENGTH_PRIOR times it.
    """
    gaps = [(-1) ** i * (1 + i) for i in range(60)]
    found = length_controlled(rows([float(gap > 0) for gap in gaps], gaps))
    assert found.interval.low < 0.5 < found.interval.high
    feature = np.abs(np.tanh(np.array(gaps) / np.std(gaps, ddof=1)))
    slope = (feature * expit(-found.length_effect * feature)).sum()
    assert found.length_effect == pytest.approx(slope / LENGTH_PRIOR, rel=0.01)


def test_a_prompt_that_asks_for_much_is_no_preference_for_length() -> None:
    """The policy writes 500 whatever is asked, the baseline 200 to 2000 as the prompt asks, and the judge
    minds only that long prompts go wrong: σ(1 - 2·standardised log baseline), which is 68 % on average."""
    rng = np.random.default_rng(5)
    asked = np.exp(rng.uniform(np.log(200), np.log(2000), size=4000)).round()
    standard = (np.log1p(asked) - np.log1p(asked).mean()) / np.log1p(asked).std()
    odds = 1 - 2 * standard
    won = rng.binomial(1, expit(odds))
    judged = [Judged(f"p{i}", float(won[i]), 500, int(asked[i])) for i in range(len(asked))]
    found = length_controlled(judged, draws=10)
    assert found.interval.estimate == pytest.approx(expit(odds).mean(), abs=0.03)
    blind = length_controlled([replace(row, difficulty=0.0) for row in judged], draws=10)
    assert blind.interval.estimate > found.interval.estimate + 0.1


def test_always_winning_is_not_certain() -> None:
    found = length_controlled(rows([1.0] * 50))
    assert found.interval.estimate > 0.99
    assert found.interval.low == pytest.approx(wilson(50, 50).low)


def test_lengths_that_say_nothing_leave_the_raw_rate_alone_with_the_reason() -> None:
    """All longer by about 500: quality and length are one and the same."""
    found = win_rate(rows([1.0, 0.0] * 20, [500 + i % 3 for i in range(40)]))
    assert found.length_controlled is None
    assert "run from 500 to 502" in found.not_controlled
    assert found.raw.interval is not None


def test_difficulty_is_for_all_or_none() -> None:
    judged = rows([1.0, 0.0, 1.0])
    with pytest.raises(DataError, match="1 of 3 comparisons have a difficulty"):
        length_controlled([replace(judged[0], difficulty=0.3), *judged[1:]])
