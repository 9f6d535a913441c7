"""The fit against scipy's general optimiser, planted strengths, and the coverage of its intervals."""

import math

import numpy as np
import pytest
from scipy.optimize import minimize

from truing.core.errors import DataError
from truing.stats.bradley_terry import SPREAD, TIES, Compared, fit_groups, fit_strengths


def simulated(strengths, tau, rounds, rng):
    """Compare every pair `rounds` times under Davidson's model, written with its own ν = e^τ."""
    found = []
    for i in range(len(strengths)):
        for j in range(i + 1, len(strengths)):
            a, b = math.exp(strengths[i]), math.exp(strengths[j])
            tied = math.exp(tau) * math.sqrt(a * b)
            chances = np.array([a, tied, b]) / (a + b + tied)
            for outcome in rng.choice([1, 0.5, 0], size=rounds, p=chances).tolist():
                found.append(Compared(i, j, outcome))
    return found


def minus_log_posterior(x, groups, sizes, shared):
    """Davidson's likelihood as printed, comparison by comparison."""
    ties = x[sum(sizes) :]
    start, total = 0, ((ties - TIES[0]) ** 2).sum() / (2 * TIES[1] ** 2)
    for g, (comparisons, n) in enumerate(zip(groups, sizes, strict=True)):
        s, nu = x[start : start + n], math.exp(ties[0 if shared else g])
        start += n
        total += (s**2).sum() / (2 * SPREAD**2)
        for i, j, outcome, times in comparisons:
            a, b = math.exp(s[i]), math.exp(s[j])
            tied = nu * math.sqrt(a * b)
            total -= times * math.log({1: a, 0.5: tied, 0: b}[outcome] / (a + b + tied))
    return total


@pytest.mark.parametrize("shared", [True, False])
def test_the_fit_is_the_maximum_that_a_general_optimiser_finds(shared):
    rng = np.random.default_rng(1)
    sizes = [4, 2, 3]
    groups = [simulated(rng.normal(size=n), -0.5, 2, rng) for n in sizes]
    groups[1].append(Compared(0, 1, 1, 2.5))
    fitted = fit_groups(groups, sizes, shared_ties=shared)
    ours = np.concatenate([one.strengths for one in fitted])
    ties = [fitted[0].tie] if shared else [one.tie for one in fitted]
    found = minimize(
        minus_log_posterior,
        np.zeros(len(ours) + len(ties)),
        args=(groups, sizes, shared),
        method="BFGS",
        options={"gtol": 1e-7},
    )
    assert np.concatenate([ours, ties]) == pytest.approx(found.x, abs=1e-5)
    # BFGS's inverse Hessian is rough; differences of the function itself are not.
    covariance = np.linalg.inv(hessian(lambda x: minus_log_posterior(x, groups, sizes, shared), found.x))
    n = sizes[0]
    own = [*range(n), len(ours)]
    assert fitted[0].covariance == pytest.approx(covariance[np.ix_(own, own)], abs=2e-4)


def hessian(function, x, step=1e-3):
    size = len(x)
    moves = np.eye(size) * step
    return np.array(
        [
            [
                sum(a * b * function(x + a * moves[i] + b * moves[j]) for a in (1, -1) for b in (1, -1))
                / (4 * step**2)
                for j in range(size)
            ]
            for i in range(size)
        ]
    )


def test_two_responses_by_hand():
    """With a flat prior, 3 wins, 2 ties and 1 loss are met exactly: d = log 3, e^τ = 2/√3."""
    comparisons = [Compared(0, 1, 1, 3), Compared(1, 0, 0.5, 2), Compared(1, 0, 1)]
    fitted = fit_strengths(comparisons, 2, spread=1e4, ties=(0, 1e4))
    assert fitted.strengths == pytest.approx([math.log(3) / 2, -math.log(3) / 2], abs=1e-6)
    assert fitted.tie == pytest.approx(math.log(2 / math.sqrt(3)), abs=1e-6)
    found = fitted.outcome(0, 1)
    assert (found.win, found.tie, found.loss) == pytest.approx((3 / 6, 2 / 6, 1 / 6), abs=1e-6)
    assert found.preference == pytest.approx(4 / 6, abs=1e-6)
    # The fit is that of three free shares of 6, so the errors are theirs: √(p(1 - p)/6).
    assert found.win_error == pytest.approx(math.sqrt(1 / 4 / 6), abs=1e-6)
    assert found.tie_error == pytest.approx(math.sqrt(2 / 9 / 6), abs=1e-6)
    assert found.loss_error == pytest.approx(math.sqrt(5 / 36 / 6), abs=1e-6)
    # The preference is a mean of 1, ½ and 0 with variance (3 + 2/4)/6 - (4/6)² = 5/36.
    assert found.preference_error == pytest.approx(math.sqrt(5 / 36 / 6), abs=1e-6)


def test_planted_strengths_are_recovered():
    rng = np.random.default_rng(2)
    planted = np.array([1.5, 0.4, -0.3, -1.6])
    fitted = fit_strengths(simulated(planted, -0.7, 400, rng), 4)
    assert fitted.strengths == pytest.approx(planted - planted.mean(), abs=0.15)
    assert fitted.tie == pytest.approx(-0.7, abs=0.15)
    assert fitted.strengths.sum() == pytest.approx(0, abs=1e-9)


def test_four_responses_in_perfect_order_get_finite_strengths():
    wins = [Compared(i, j, 1) for i in range(4) for j in range(i + 1, 4)]
    fitted = fit_strengths(wins, 4)
    assert np.all(np.diff(fitted.strengths) < -0.3)
    assert np.abs(fitted.strengths).max() < 3
    assert fitted.outcome(0, 3).win > 0.8
    many = fit_strengths([one._replace(times=1e6) for one in wins], 4)
    assert np.isfinite(many.strengths).all() and np.isfinite(many.covariance).all()
    ties = fit_strengths([one._replace(outcome=0.5, times=1e6) for one in wins], 4)
    assert ties.strengths == pytest.approx(0, abs=1e-9)
    assert 0.99 < ties.outcome(0, 1).tie < 1


def test_names_and_sides_do_not_matter():
    rng = np.random.default_rng(3)
    comparisons = simulated([0.5, 0, -0.2, 1], -1, 3, rng)
    fitted = fit_strengths(comparisons, 4)
    new = [2, 0, 3, 1]
    renamed = fit_strengths([Compared(new[i], new[j], o, c) for i, j, o, c in comparisons], 4)
    assert renamed.strengths[new] == pytest.approx(fitted.strengths, abs=1e-9)
    turned = fit_strengths([Compared(j, i, 1 - o, c) for i, j, o, c in comparisons], 4)
    assert turned.strengths == pytest.approx(fitted.strengths, abs=1e-9)
    one, other = fitted.outcome(0, 1), fitted.outcome(1, 0)
    assert (one.win, one.loss_error) == pytest.approx((other.loss, other.win_error))
    assert one.preference == pytest.approx(1 - other.preference)


def test_responses_never_compared_have_the_prior_and_no_interval():
    fitted = fit_strengths([Compared(0, 1, 1)], 3)
    assert fitted.strengths[2] == 0
    assert fitted.covariance[2, 2] == pytest.approx(SPREAD**2)
    assert fitted.intervals()[2] is None and fitted.intervals()[0] is not None
    nothing = fit_groups([[], []], [2, 4])
    assert [len(one.strengths) for one in nothing] == [2, 4]
    assert nothing[0].outcome(0, 1).preference == 0.5
    assert fit_groups([], []) == []


def test_the_interval_covers_strengths_drawn_from_the_prior():
    """800 groups of four responses, three rounds each: the answer of a fit lies inside in 95 of 100."""
    rng = np.random.default_rng(4)
    planted = rng.normal(scale=SPREAD, size=(800, 4))
    planted -= planted.mean(1, keepdims=True)
    groups = [simulated(row, -0.8, 3, rng) for row in planted]
    fitted = fit_groups(groups, [4] * 800)
    assert fitted[0].tie == pytest.approx(-0.8, abs=0.15)
    gaps, errors = np.array(
        [
            (one.outcome(0, 1).difference - (row[0] - row[1]), one.outcome(0, 1).difference_error)
            for one, row in zip(fitted, planted, strict=True)
        ]
    ).T
    assert 0.93 < np.mean(np.abs(gaps) < 1.96 * errors) < 0.975


def test_shared_ties_are_learnt_across_prompts():
    """A judge that never ties: one prompt alone cannot say so, a hundred can."""
    wins = [Compared(0, 1, 1), Compared(1, 2, 1)]
    shared = fit_groups([wins] * 100, [3] * 100)[0].outcome(0, 2).tie
    alone = fit_groups([wins] * 100, [3] * 100, shared_ties=False)[0].outcome(0, 2).tie
    assert shared < 0.02 < alone


@pytest.mark.parametrize(
    "wrong",
    [
        Compared(0, 0, 1),
        Compared(0, 3, 1),
        Compared(-1, 0, 1),
        Compared(0, 1, 0.7),
        Compared(0, 1, 1, 0),
    ],
)
def test_a_comparison_that_cannot_be_is_an_error(wrong):
    with pytest.raises(DataError, match="group 0"):
        fit_strengths([wrong], 3)
