"""The languages of prompts and pages: every table of words is of one of them."""

from truing.core.languages import LANGUAGES
from truing.evals.suites.headlines import load_headlines


def test_prompts_are_in_the_languages_of_pages():
    assert LANGUAGES == ("en", "zh")
    assert {headline.language for headline in load_headlines()} == set(LANGUAGES)
