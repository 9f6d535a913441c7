"""The shipped suites keep their promises: enough items in both languages, balanced, unique and checked."""

import json
import re
from collections import Counter

import pytest

from truing.core.errors import ConfigError, DataError
from truing.evals.suites import SUITES, Instruction, Missing, Unanswerable, load_suite, parse_suite

GOOD = {"id": "en-her-age", "language": "en", "prompt": "How old is she?", "why": "context"}


@pytest.mark.parametrize(
    ("name", "en", "zh"),
    [("instructions", 42, 42), ("short_answers", 46, 45), ("unanswerable", 30, 30), ("choices", 32, 32)],
)
def test_counts(name: str, en: int, zh: int) -> None:
    items = load_suite(name)
    assert Counter(item.language for item in items) == {"en": en, "zh": zh}
    assert [item for item in items if item.language == "zh"] == load_suite(name, ["zh"])
    assert load_suite(name, ["zh", "en"]) == items
    assert load_suite(name, []) == []


def test_every_suite_is_counted() -> None:
    assert set(SUITES) == {"instructions", "short_answers", "unanswerable", "choices"}


@pytest.mark.parametrize("name", SUITES)
def test_items_are_in_their_language(name: str) -> None:
    for item in load_suite(name):
        assert item.id.startswith(f"{item.language}-")
        assert bool(re.search(r"[\u4e00-\u9fff]", item.prompt)) == (item.language == "zh"), item.id
        assert len(item.prompt) <= 200


def test_right_options_are_spread_evenly() -> None:
    """32 a language over four places: always taking one place earns a quarter."""
    places = Counter((item.language, item.right) for item in load_suite("choices"))
    assert places == {(language, place): 8 for language in ("en", "zh") for place in range(4)}


def test_every_reason_for_no_answer_is_there_in_both_languages() -> None:
    reasons = Counter((item.language, item.why) for item in load_suite("unanswerable"))
    assert set(reasons) == {(language, why) for language in ("en", "zh") for why in Missing}
    assert min(reasons.values()) >= 4


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"why": "boredom"}, "why: Input should be 'invented'"),
        ({"language": "fr"}, "language: Input should be 'en' or 'zh'"),
        ({"prompt": " "}, "prompt: ' ' was given; trimmed, non-empty text was expected"),
        ({"id": "En 1"}, "id: String should match pattern"),
        ({"extra": "x"}, "extra: Extra inputs are not permitted"),
        ({"prompt": None}, "prompt: Input should be a valid string"),
    ],
)
def test_bad_lines_are_named(change: dict, complaint: str) -> None:
    lines = [json.dumps(GOOD), json.dumps(GOOD | change)]
    with pytest.raises(DataError, match=rf"mine\.jsonl:2: {re.escape(complaint)}") as error:
        parse_suite(lines, "mine.jsonl", Unanswerable)
    assert error.value.hint == "a line is a JSON object of id, language, prompt, why"


@pytest.mark.parametrize("line", ["not json", '["a"]', "7"])
def test_lines_that_are_no_object(line: str) -> None:
    with pytest.raises(DataError, match=r"mine\.jsonl:1"):
        parse_suite([line], "mine.jsonl", Unanswerable)


def test_a_bad_check_is_named_with_its_line() -> None:
    row = {"id": "en-a", "language": "en", "prompt": "Go.", "checks": [{"name": "words", "mots": 3}]}
    with pytest.raises(DataError, match=r"mine\.jsonl:1: checks\.0: the check 'words' takes least, most"):
        parse_suite([json.dumps(row)], "mine.jsonl", Instruction)


def test_two_options_that_are_the_same_are_refused() -> None:
    row = {"id": "en-a", "language": "en", "prompt": "Go?", "options": ["A", "a", "b", "c"], "right": 0}
    with pytest.raises(DataError, match="two of the options A, a, b, c are the same"):
        parse_suite([json.dumps(row)], "mine.jsonl", SUITES["choices"])


def test_repeats_are_refused() -> None:
    again = GOOD | {"id": "en-other", "prompt": "HOW old  is she?"}
    with pytest.raises(DataError, match="the prompt 'HOW old  is she\\?' is there twice"):
        parse_suite([json.dumps(GOOD), json.dumps(again)], "mine.jsonl", Unanswerable)
    with pytest.raises(DataError, match="the id 'en-her-age' is there twice"):
        parse_suite([json.dumps(GOOD), json.dumps(GOOD | {"prompt": "Who?"})], "mine.jsonl", Unanswerable)


def test_unknown_names_say_what_there_is() -> None:
    with pytest.raises(ConfigError, match=r"'choises'; known: .*, short_answers, .*; did you mean 'choices'"):
        load_suite("choises")
    with pytest.raises(ConfigError, match="no suite is in 'fr'"):
        load_suite("choices", ["fr"])
