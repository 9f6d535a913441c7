"""Probabilities from the token that states a value."""

import math

import pytest

from truing.judges.fields import VERDICT, Verdict, score_field
from truing.judges.odds import begins_verdict, expected_score, first_wins, odds
from truing.judges.replies import WeighedText, WeighedToken
from truing.judges.replies import weighed as made

CHANCES = {"A": 0.6, "B": 0.2, " TIE": 0.1, "x": 0.1}


def weighed(text: str, chances: dict[str, float]) -> WeighedText:
    start = len(text) - len(text.split()[-1])
    top = {word: math.log(chance) for word, chance in chances.items()}
    return made(text, (WeighedToken(start, text[start:], top),))


def test_shares_are_of_the_values_alone():
    found = odds(weighed("VERDICT: A", CHANCES), VERDICT, Verdict.FIRST, begins_verdict)
    assert found is not None
    assert found == pytest.approx({Verdict.FIRST: 6 / 9, Verdict.SECOND: 2 / 9, Verdict.TIE: 1 / 9})
    assert first_wins(found) == pytest.approx(6.5 / 9)


def test_a_token_that_was_no_choice_has_no_odds():
    unsure = {"A": 0.3, "x": 0.7}
    assert odds(weighed("VERDICT: A", unsure), VERDICT, Verdict.FIRST, begins_verdict) is None
    assert odds("VERDICT: A", VERDICT, Verdict.FIRST, begins_verdict) is None


def test_a_score_is_expected_over_the_scale():
    field = score_field("score", "score", 0, 10)
    found = expected_score(weighed("SCORE: 7", {"7": 0.5, "9": 0.25, "99": 0.25}), field, 7.0, 0, 10)
    assert found == pytest.approx((7 * 0.5 + 9 * 0.25) / 0.75)
