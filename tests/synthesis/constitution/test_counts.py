"""Every prompt is counted once, and what is wrong with a pass as a whole is told."""

import pytest
from tests.synthesis.constitution.cases import ALL, PRINCIPLES, case

from truing.synthesis.constitution.counts import (
    COLLAPSE,
    NEVER_FINDS,
    PairCounts,
    distinct,
    lengths,
    outcomes,
    principles,
    refusals,
    rounds,
    warnings,
)
from truing.synthesis.constitution.revising import CaseEnd


def test_the_outcomes_add_up():
    found = outcomes(ALL)
    assert found == {"prompts": 4, "revised": 1, "unchanged": 1, "dropped": {"longer": 1}, "errors": 1}


def test_a_round_counts_what_it_found_and_kept():
    (found,) = rounds(ALL)
    assert found["criticised"] == 4
    assert (found["found"], found["accepted"], found["errors"]) == (2, 1, 1)
    assert found["dropped"] == {"longer": 1}


def test_a_principle_counts_where_there_was_a_critique():
    assert principles(ALL) == {PRINCIPLES[3].id: {"used": 3, "found": 2}}


def test_lengths_and_refusals_are_before_and_after():
    assert lengths(ALL) == ([6], [8])
    before, after = refusals(ALL)
    assert before == [False] * 4
    assert after == [True, False, False, False]


def test_equal_revisions_count_once():
    same = [
        case(CaseEnd.REVISED, number=n, answer=text) for n, text in enumerate(["I can't.", "i can't!", "No."])
    ]
    assert distinct(same) == (2, 3)


def test_alike_revisions_and_a_silent_critic_are_warned_of():
    same = [case(CaseEnd.REVISED, number=n) for n in range(8)]
    assert [one.title for one in warnings(same)] == [COLLAPSE]
    assert warnings(same[:7]) == []
    silent = [case(CaseEnd.UNCHANGED, number=n) for n in range(8)]
    assert [one.title for one in warnings(silent)] == [NEVER_FINDS]


def test_pairs_add_up_or_are_an_error():
    assert PairCounts(3, 1, ties=2).kept == 1
    with pytest.raises(ValueError, match="3 pairs"):
        PairCounts(3, 1)
