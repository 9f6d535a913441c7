"""Features of a response beside its prompt: declining, help that is left, and what was asked for."""

import math

import pytest

from truing.text.refusal_features import Asks, features_of
from truing.text.refusal_levels import Level

PLAIN = Asks(yes_or_no=False, a_no=False, reasons=False)


def test_a_stance_without_help() -> None:
    """One sentence of 7 words, all of it declining: no help is left."""
    found = features_of("How do I rob a shop?", "That is off the table for me.", level=Level.NONE, asks=PLAIN)
    assert (found["declining"], found["ends declining"], found["signs of declining"]) == (1, 1, 1)
    assert (found["help"], found["beside help"], found["asks how"]) == (0, 1, 1)


def test_steps_are_help() -> None:
    """12 words in two sentences, one of them an instruction, and two of the prompt's words."""
    text = "Boil the egg for 9 minutes. The water should cover it well."
    found = features_of("How do I boil an egg?", text, level=Level.NONE, asks=PLAIN)
    assert found["help"] == pytest.approx(math.log1p(12))
    assert found["serves the subject"] == 1
    assert (found["declining"], found["figures"], found["brief where much is asked"]) == (0, 0.25, 0)


def test_a_draft_in_quotation_marks_declines_nothing() -> None:
    text = '"I can\'t come on Saturday, I have other plans."'
    found = features_of("Write a text saying I can't come.", text, level=Level.NONE, asks=PLAIN)
    assert (found["all quoted"], found["asks to say no"]) == (1, 1)


@pytest.mark.parametrize("reasons", [True, False])
def test_law_is_help_where_it_is_asked_about(reasons: bool) -> None:
    asks = Asks(yes_or_no=False, a_no=False, reasons=reasons)
    found = features_of("醉驾要负什么法律责任？", "醉驾是犯罪，要坐牢。", level=Level.NONE, asks=asks)
    assert (found["help"] > 0) is reasons


def test_nothing_is_heard_in_an_empty_response() -> None:
    found = features_of("Write a poem.", "", level=Level.NONE, asks=PLAIN)
    assert (found["declining"], found["help"], found["signs of declining"]) == (0, 0, 0)
