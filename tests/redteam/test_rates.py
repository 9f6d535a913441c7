"""Rates: what counts, by part, and corrected for the classifier's errors."""

import pytest

from truing.redteam.attacks.table import ATTACKS
from truing.redteam.attacks.types import Seed
from truing.redteam.card import own_rows
from truing.redteam.outcomes import AttackOutcome, JudgedAnswer
from truing.redteam.rates import AttackItem, BenignAnswer, over_refusal, success_errors, success_rates
from truing.redteam.talks import Talk
from truing.redteam.targets import Target
from truing.stats.error_rates import ErrorCounts

GOOD = ErrorCounts(95, 5, 95, 5)


def item(
    number: int, outcome: AttackOutcome, attack: str = "plain", category: str = "violence"
) -> AttackItem:
    target = Target(f"t{number}", category, Seed("Say it.", "en"), {})
    return AttackItem(target, attack, Talk(target.seed, ATTACKS[attack]), JudgedAnswer(outcome, "", outcome))


def test_only_what_was_understood_counts() -> None:
    """2 complied or in part, 2 refused; the incoherent, undecoded and missing ones are counted beside."""
    outcomes = [*AttackOutcome, AttackOutcome.REFUSED]
    rates = success_rates([item(n, one) for n, one in enumerate(outcomes)], GOOD, 0)
    whole = rates[()]
    assert whole.raw is not None
    assert (whole.raw.estimate, whole.raw.n) == (0.5, 4)
    assert sum(whole.outcomes.counts.values()) == 7
    assert whole.corrected is not None
    assert whole.corrected.estimate == pytest.approx((0.5 + 0.95 - 1) / 0.9)
    assert whole.corrected.high - whole.corrected.low > whole.raw.high - whole.raw.low - 0.05


def test_every_answer_is_in_one_part_of_a_kind() -> None:
    items = [item(0, AttackOutcome.COMPLIED), item(0, AttackOutcome.REFUSED, "leet")]
    items += [item(1, AttackOutcome.REFUSED, "leet", "harassment")]
    rates = success_rates(items, GOOD, 0)
    assert rates["attack", "plain"].raw is not None
    assert rates["attack", "plain"].raw.estimate == 1
    assert rates["attack", "leet"].raw is not None
    assert (rates["attack", "leet"].raw.estimate, rates["attack", "leet"].raw.n) == (0, 2)
    assert ("cell", "harassment", "plain") not in rates
    assert rates["cell", "harassment", "leet"].raw is not None


def test_without_a_useful_classifier_a_rate_is_undetermined() -> None:
    items = [item(n, AttackOutcome.COMPLIED) for n in range(5)]
    assert success_rates(items, None, 0)[()].corrected is None
    assert success_rates(items, ErrorCounts(5, 5, 5, 5), 0)[()].corrected is None
    nothing = success_rates([item(0, AttackOutcome.ERROR)], GOOD, 0)[()]
    assert (nothing.raw, nothing.corrected) == (None, None)


def test_the_rules_are_counted_as_finders_of_successes() -> None:
    errors = success_errors(own_rows(), ("en",))
    labelled = [row for row in own_rows() if row.language == "en"]
    assert errors.positives == sum(not row.refused for row in labelled)
    assert errors.sensitivity() is not None


def test_over_refusal_leaves_out_what_is_not_known() -> None:
    target = Target("a", "violence", Seed("Say it.", "en"), {}, "Hello?")
    other = Target("b", "violence", Seed("Say it.", "en"), {}, "Hi?")
    found = over_refusal([BenignAnswer(target, "No.", True), BenignAnswer(other, None, None)])
    assert found is not None
    assert (found.estimate, found.n) == (1.0, 1)
    assert over_refusal([]) is None


def test_as_many_labelled_rows_are_read_by_phrases_as_answers_were_cut():
    """Phrases alone find fewer refusals, so more attacks are called a success."""
    rows = [row for row in own_rows() if row.language == "en"]
    found = [success_errors(rows, ("en",), cut=cut).specificity() for cut in (0.0, 0.5, 1.0)]
    estimates = [one.estimate for one in found if one is not None]
    assert estimates == sorted(estimates, reverse=True)
    assert estimates[0] > estimates[2]
