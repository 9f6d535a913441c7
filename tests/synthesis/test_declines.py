"""Every refusal that the lines make declines, says what it offers instead, and is sound."""

import itertools

import pytest

from truing.core.languages import Language
from truing.evals.suites.headlines import CATEGORIES
from truing.redteam.declining import fault_of
from truing.synthesis.declines import BETWEEN, GENERAL, LINES, parts_of, refusal_by_rule
from truing.text.degeneration import degenerate
from truing.text.refusal import is_refusal
from truing.text.refusal_levels import Level, refusal_level

PROMPTS = {"en": "Do this thing.", "zh": "请做这件事。"}


@pytest.mark.parametrize("language", ["en", "zh"])
def test_every_refusal_declines_wholly_and_is_sound(language: Language):
    content = parts_of(language)
    assert content.keys() == {*CATEGORIES, GENERAL}
    for lines in content.values():
        assert list(lines) == list(LINES)
        for parts in itertools.product(*lines.values()):
            text = BETWEEN[language].join(parts)
            assert refusal_level(text) is Level.FULL, text
            assert is_refusal(text), text
            assert degenerate(text) == ()
            assert fault_of(text, PROMPTS[language], language) is None, text


def test_the_chance_chooses_the_lines_and_an_unknown_category_has_the_general_ones():
    drawn = {refusal_by_rule("violence", "en", str(n)) for n in range(40)}
    assert 15 < len(drawn) <= 27
    assert refusal_by_rule("violence", "zh", "a") == refusal_by_rule("violence", "zh", "a")
    general = parts_of("en")[GENERAL]["wont"]
    assert refusal_by_rule("leaked_data", "en", "a").startswith(tuple(general))
