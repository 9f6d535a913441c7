"""Drawings: round ticks, marks where their values stand, and text that stays text."""

import re

import pytest

from truing.reports.drawing import Curve, Dot, Extent, Scale, Words, draw, round_step, span_of, tick_text


@pytest.mark.parametrize(
    ("rough", "step"), [(0.03, 0.05), (1.0, 1.0), (1.1, 2.0), (2.5, 5.0), (7.0, 10.0), (60, 100)]
)
def test_steps_are_round(rough, step):
    assert round_step(rough) == pytest.approx(step)


@pytest.mark.parametrize(
    ("value", "step", "form", "text"),
    [
        (0.25, 0.05, "number", "0.25"),
        (-40.0, 10.0, "number", "−40"),
        (0.0, 0.05, "number", "0"),
        (20_000.0, 5_000.0, "number", "20k"),
        (1_500_000.0, 500_000.0, "number", "1.5M"),
        (1e-4, 5e-5, "number", "1e−4"),
        (5e-5, 5e-5, "number", "5e−5"),
        (0.4, 0.2, "share", "40%"),
        (300.0, 100.0, "step", "300"),
    ],
)
def test_ticks_have_the_digits_that_their_step_needs(value, step, form, text):
    assert tick_text(value, step, form) == text


def test_ticks_lie_within_their_scale():
    assert Scale(-0.05, 1.03, 4).ticks() == [(0.0, "0"), (0.5, "0.5"), (1.0, "1.0")]
    assert [value for value, _ in Scale(1, 3, 5, "step").ticks()] == [1, 2, 3], "there is no step 1.5"
    assert Scale(0, 1, 0).ticks() == []


def test_a_span_has_air_and_is_never_empty():
    assert span_of([0.0, 1.0, float("nan")]) == pytest.approx((-0.06, 1.06))
    assert span_of([5.0, 5.0]) == pytest.approx((4.5, 5.5)) and span_of([0.0]) == (-0.5, 0.5)


def test_marks_stand_where_their_values_are():
    """Of a scale from 0 to 10 the value 2.5 is at a quarter; heights are counted from above."""
    marks = [
        Curve("a", [0, 10], [0, 10], "faint"),
        Dot("b", 2.5, 10, tip="here"),
        Extent("c", (0, 5), (5, 5), "dashed"),
        Extent("d", (5, 10), (0, 2.5), "bar"),
    ]
    drawn = draw(marks, Scale(0, 10, 0), Scale(0, 10, 0), 100)
    assert '<path class="curve faint a" d="M0.0 100.0L1000.0 0.0"/>' in drawn
    assert '<circle class="dot full b" cx="25.00%" cy="0.0" r="5.0" data-tip="here"/>' in drawn
    assert '<line class="span dashed c" x1="0.00%" x2="50.00%" y1="50.0" y2="50.0"/>' in drawn
    assert '<rect class="bar d" x="50.00%" width="50.00%" y="75.0" height="25.0"/>' in drawn


def test_what_is_written_in_a_drawing_stays_text():
    hostile = '"><script>alert(1)</script>\u202e'
    marks = [Words(1, hostile), Dot("a", 1, 1, tip=hostile), Dot("a", 1, 1, 5, "diamond", hostile)]
    drawn = draw(marks, Scale(0, 2, 5, title=hostile), Scale(0, 2, 5, title=hostile), 100)
    assert not re.search("<script|\u202e", drawn)
    assert drawn.count("&lt;script&gt;alert(1)&lt;/script&gt;⟨U+202E⟩") == 5
