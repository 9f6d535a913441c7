"""Corrected rates by hand, against the exact posterior of one stage, and by how often they cover."""

import numpy as np
import pytest
from scipy import stats

from truing.core.errors import DataError
from truing.stats.error_rates import ErrorCounts, corrected_difference, corrected_rates, rogan_gladen
from truing.stats.intervals import wilson

GOOD = ErrorCounts(90, 5, 95, 10)
SURE = ErrorCounts(10**9, 0, 10**9, 0)


def test_rogan_and_gladen_by_hand():
    """Of 30 % cases 90 % are found, of the others 20 % are called cases: .3·.9 + .7·.2 = .41."""
    assert rogan_gladen(0.41, 0.9, 0.8) == pytest.approx(0.3)
    assert rogan_gladen(0.1, 0.9, 0.8) == 0  # fewer than the false alarms alone
    assert rogan_gladen(0.95, 0.9, 0.8) == 1
    assert rogan_gladen(0.25, 1, 1) == 0.25
    with pytest.raises(DataError, match=r"add up to 1 or less"):
        rogan_gladen(0.5, 0.3, 0.7)


def test_counts_give_rates_with_wilsons_interval():
    counts = ErrorCounts.of([True, True, False, False, True], [True, False, False, True, True])
    assert counts == ErrorCounts(2, 1, 1, 1)
    assert counts.accuracy() == wilson(3, 5)
    assert counts.sensitivity() == wilson(2, 3)
    assert counts.specificity(0.9) == wilson(1, 2, 0.9)
    assert ErrorCounts(0, 1, 3, 0).sensitivity() is None
    assert ErrorCounts(1, 0, 0, 3).specificity() is None


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: ErrorCounts(0, 0, 0, 0), "no counts of labelled rows"),
        (lambda: ErrorCounts(-1, 3, 0, 0), "no counts of labelled rows"),
        (lambda: ErrorCounts.of([True], []), "1 verdicts but 0 labels"),
        (lambda: corrected_rates({"a": ([], [])}, GOOD), "0 values|shape"),
        (lambda: corrected_rates({"a": ([2.0], ["p"])}, GOOD), "a rate's lie in"),
    ],
)
def test_counts_and_answers_that_cannot_be_are_an_error(call, said):
    with pytest.raises(DataError, match=said):
        call()


def test_a_classifier_without_errors_leaves_jeffreys_interval():
    """One answer a prompt: the draws are those of Beta(s + ½, n - s + ½), a Jeffreys interval."""
    flags = [1.0] * 7 + [0.0] * 33
    found = corrected_rates({"all": (flags, range(40))}, SURE, draws=40_000)["all"]
    assert found.corrected.estimate == pytest.approx(found.raw.estimate) == pytest.approx(7 / 40)
    exact = stats.beta(7.5, 33.5).ppf([0.025, 0.975])
    assert (found.corrected.low, found.corrected.high) == pytest.approx(exact, abs=3e-3)


def test_four_copies_of_each_answer_are_one():
    flags, prompts = [1.0] * 7 + [0.0] * 33, list(range(40))
    one = corrected_rates({"all": (flags, prompts)}, GOOD)["all"].corrected
    copies = corrected_rates({"all": (flags * 4, prompts * 4)}, GOOD)["all"].corrected
    assert (copies.low, copies.high) == pytest.approx((one.low, one.high))
    apart = corrected_rates({"all": (flags * 4, range(160))}, GOOD)["all"].corrected
    assert apart.high - apart.low < 0.75 * (one.high - one.low)


def simulate(rng, true, sensitivity, specificity, prompts, labelled):
    """Answers of 3 a prompt that resemble each other, judged by a classifier, and its card."""
    chance = rng.beta(true * 2, (1 - true) * 2, prompts) if 0 < true < 1 else np.full(prompts, true)
    cases = rng.random((prompts, 3)) < chance[:, None]
    judged = np.where(cases, rng.random(cases.shape) < sensitivity, rng.random(cases.shape) > specificity)
    found, cleared = rng.binomial(labelled, [sensitivity, specificity])
    card = ErrorCounts(int(found), labelled - int(cleared), int(cleared), labelled - int(found))
    return (judged.ravel().astype(float), np.repeat(np.arange(prompts), 3).tolist()), card


@pytest.mark.parametrize("true", [0.05, 0.3, 0.8])
def test_the_interval_covers_the_truth_where_the_naive_one_does_not(true):
    rng = np.random.default_rng(int(100 * true))
    simulations, covered, naive_covered, wider = 300, 0, 0, 0
    for seed in range(simulations):
        group, card = simulate(rng, true, 0.85, 0.9, 60, 60)
        found = corrected_rates({"g": group}, card, seed=seed, draws=400)["g"]
        sensitivity, specificity = card.sensitivity().estimate, card.specificity().estimate
        naive = [rogan_gladen(end, sensitivity, specificity) for end in (found.raw.low, found.raw.high)]
        covered += found.corrected.low <= true <= found.corrected.high
        naive_covered += naive[0] <= true <= naive[1]
        wider += found.corrected.high - found.corrected.low > naive[1] - naive[0]
    assert 0.92 <= covered / simulations <= 0.99
    assert naive_covered < covered
    assert wider > 0.8 * simulations


def test_groups_share_the_draws_of_the_classifier_and_of_prompts():
    flags = [1.0, 0.0, 1.0, 1.0, 0.0] * 20
    prompts = list(range(100))
    rates = corrected_rates(
        {"a": (flags, prompts), "b": (flags, prompts), "c": (flags[::-1], range(100, 200))}, GOOD
    )
    a, b, c = (rates[name].draws for name in "abc")
    assert np.corrcoef(a, b)[0, 1] > 0.95  # only the half rows differ
    assert 0.1 < np.corrcoef(a, c)[0, 1] < 0.7  # the classifier alone is shared
    same, other = corrected_difference(rates["a"], rates["b"]), corrected_difference(rates["a"], rates["c"])
    assert same.estimate == other.estimate == 0
    assert same.high - same.low < 0.5 * (other.high - other.low)
    assert (
        corrected_rates({"a": (flags, prompts)}, GOOD)["a"]
        == corrected_rates({"a": (flags, prompts)}, GOOD)["a"]
    )


@pytest.mark.parametrize(
    "errors",
    [
        ErrorCounts(50, 50, 50, 50),  # chance
        ErrorCounts(6, 3, 5, 4),  # may be chance
        ErrorCounts(10, 90, 10, 90),  # worse than chance
        ErrorCounts(50, 0, 0, 3),  # no row that is not a case
        ErrorCounts(0, 3, 50, 0),  # no case
    ],
)
def test_a_classifier_that_cannot_tell_leaves_the_rate_undetermined(errors):
    rates = corrected_rates({"a": ([1.0, 0.0], ["p", "q"]), "b": ([0.0, 1.0], ["p", "q"])}, errors)
    assert rates["a"].corrected is None
    assert rates["a"].raw.estimate == 0.5
    assert corrected_difference(rates["a"], rates["b"]) is None


def test_no_case_among_ten_answers_is_not_certain():
    found = corrected_rates({"none": ([0.0] * 10, range(10)), "all": ([1.0] * 10, range(10))}, GOOD)
    assert (found["none"].corrected.estimate, found["none"].corrected.low) == (0, 0)
    assert 0.1 < found["none"].corrected.high < 0.4
    assert found["all"].corrected.estimate == found["all"].corrected.high == 1
    assert found["all"].corrected.low < 0.9


def test_rates_of_different_calls_are_not_compared():
    one = corrected_rates({"a": ([1.0, 0.0], ["p", "q"])}, GOOD, draws=100)["a"]
    other = corrected_rates({"a": ([1.0, 0.0], ["p", "q"])}, GOOD, draws=200)["a"]
    with pytest.raises(DataError, match="different calls"):
        corrected_difference(one, other)
