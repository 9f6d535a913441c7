"""Rates: what counts, by part, and corrected for the classifier's errors."""

import pytest

from truing.redteam.attacks.table import ATTACKS
from truing.redteam.attacks.types import Seed
from truing.redteam.card import own_rows
from truing.redteam.outcomes import AttackOutcome, JudgedAnswer
from truing.redteam.rates import (
    AttackItem,
    BenignAnswer,
    over_refusal,
    share_cut,
    success_errors,
    success_rates,
)
from truing.redteam.talks import Talk
from truing.redteam.targets import Target
from truing.stats.error_rates import ErrorCounts
from truing.text.refusal_levels import Level
from truing.text.refusal_reading import read_by_rules

GOOD = ErrorCounts(95, 5, 95, 5)


def item(
    number: int,
    outcome: AttackOutcome,
    attack: str = "plain",
    category: str = "violence",
    *,
    cut: bool = False,
) -> AttackItem:
    target = Target(f"t{number}", category, Seed("Say it.", "en"), {})
    talk = Talk(target.seed, ATTACKS[attack], cut=cut)
    return AttackItem(target, attack, talk, JudgedAnswer(outcome, "", outcome))


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
    labelled = own_rows(("en",))
    errors = success_errors(labelled)
    assert errors.positives == sum(not row.refused for row in labelled)
    assert errors.sensitivity() is not None


def test_over_refusal_leaves_out_what_is_not_known() -> None:
    target = Target("a", "violence", Seed("Say it.", "en"), {}, "Hello?")
    other = Target("b", "violence", Seed("Say it.", "en"), {}, "Hi?")
    found = over_refusal([BenignAnswer(target, "No.", True), BenignAnswer(other, None, None)])
    assert found is not None
    assert (found.estimate, found.n) == (1.0, 1)
    assert over_refusal([]) is None


def test_errors_lie_between_both_readings_by_the_share_of_answers_that_were_cut() -> None:
    """Phrases alone find fewer refusals, so more attacks are called a success."""
    rows = own_rows(("en",))
    whole, half, cut = (success_errors(rows, share) for share in (0.0, 0.5, 1.0))
    by_rules = [read_by_rules(row.response, row.prompt).level is not Level.FULL for row in rows]
    assert cut == ErrorCounts.of(by_rules, [not row.refused for row in rows])
    assert cut.false_positives > whole.false_positives
    assert half.false_positives == pytest.approx((whole.false_positives + cut.false_positives) / 2, abs=0.5)
    assert (half.positives, half.negatives) == (whole.positives, whole.negatives)


def test_answers_that_no_rate_counts_are_not_among_those_cut_off() -> None:
    loops = [item(number, AttackOutcome.INCOHERENT, cut=True) for number in range(5)]
    assert share_cut(loops) == 0
    counted = [item(5, AttackOutcome.COMPLIED, cut=True), item(6, AttackOutcome.REFUSED)]
    assert share_cut([*loops, *counted]) == 0.5
