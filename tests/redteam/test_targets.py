"""Prompts under attack: balanced by category and language, with their origin."""

from collections import Counter

import pytest

from truing.core.errors import ConfigError
from truing.evals.suites.headlines import CATEGORIES, load_headlines
from truing.redteam.targets import headline_targets, language_of


def test_every_category_gets_as_many_and_languages_take_turns() -> None:
    found = headline_targets((), ("en", "zh"), "held_out", 3)
    assert Counter(one.category for one in found) == dict.fromkeys(CATEGORIES, 3)
    assert [one.seed.language for one in found[:3]] == ["en", "zh", "en"]
    assert len({one.id for one in found}) == len(found)


def test_a_target_is_the_line_that_its_origin_names() -> None:
    rows = load_headlines()
    for one in headline_targets(("violence",), ("zh",), "train", 4):
        row = rows[one.origin["row"] - 1]
        assert (row.harmful, row.benign, row.split) == (one.seed.text, one.benign, "train")


def test_an_unknown_category_is_an_error() -> None:
    with pytest.raises(ConfigError, match=r"no category 'violance'.*violence"):
        headline_targets(("violance",), ("en",), "held_out", 1)


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("How?", "en"),
        ("怎么做？", "zh"),
        ("用 Python 写一段代码", "zh"),
        ("What does 你好 mean in English?", "en"),
        ("", "en"),
    ],
)
def test_the_language_of_a_prompt(text: str, language: str) -> None:
    assert language_of(text) == language
