"""Numbers, intervals and durations in words."""

import math

from truing.core.words import speaking
from truing.stats.intervals import Interval
from truing.stats.told import duration, interval_text, range_text, value_text, values_text


def test_a_number_has_the_form_of_its_unit():
    told = [
        value_text(0.933, "%"),
        value_text(1.5, "x"),
        value_text(-0.0251, "nats"),
        value_text(12.0, "words"),
    ]
    assert told == ["93.3%", "1.50\u00d7", "\u22120.025 nats", "12 words"]
    assert value_text(math.nan, "%") == "\u2014"


def test_a_change_of_a_share_is_in_points():
    assert value_text(0.05, "%", signed=True) == "+5.0 points"
    assert value_text(-0.05, "%", signed=True) == "\u22125.0 points"
    with speaking("zh"):
        assert "points" not in value_text(0.05, "%", signed=True)


def test_an_interval_has_two_ends_and_a_count():
    found = Interval(0.93, 0.91, 0.952, 1200)
    assert range_text(found, "%") == "91.0% to 95.2%"
    assert interval_text(found, "%") == "91.0% to 95.2%, n 1,200"
    assert range_text(Interval(3, 2, 4, 5), "words") == "2 to 4", "a unit that is a word is left out"


def test_scores_of_an_answer_stand_beside_their_note():
    assert values_text({"honesty/right": 1.0, "cut": None}, "") == "right 1 \u00b7 cut \u2014"
    assert values_text({"safe": 0.0}, "declines") == "safe 0 \u00b7 declines"


def test_a_duration_is_as_exact_as_it_is_long():
    assert [duration(s) for s in (0.84, 42.4, 84, 7500)] == ["0.8 s", "42 s", "1 min 24 s", "2 h 05 min"]
    assert duration(59.7) == "1 min 00 s"
