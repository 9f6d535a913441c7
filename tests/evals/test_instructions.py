"""Verifiable instructions: for every check a text that meets it and one that nearly does."""

import re

import pytest
from pydantic import ValidationError

from truing.evals.instructions import CHECKS, Check, Followed, followed
from truing.evals.suites import load_suite
from truing.text import units

from ..tables import each

MET_AND_NOT = [
    ("words", {"most": 3}, "One two three.", "One two three four."),
    ("words", {"least": 3}, "It's well-known today", "It's well-known."),  # an apostrophe or hyphen joins
    ("words", {"least": 4, "most": 4}, "今天3.5度。", "今天很冷，3.5度。"),  # 今 天 3.5 度 is four
    ("characters", {"most": 4}, "a b\nc.", "a b c d."),
    (
        "sentences",
        {"least": 2, "most": 2},
        "Dr. Smith paid 3.5 dollars. He left!",
        "He paid. He left. He slept.",
    ),
    ("sentences", {"least": 2, "most": 2}, "天亮了。你好吗？”", "天亮了，你好吗？"),
    ("lines", {"least": 2, "most": 2}, "one\n\ntwo", "one two"),
    ("paragraphs", {"least": 2, "most": 2}, "one\none\n\ntwo", "one\ntwo"),
    ("bullets", {"least": 2, "most": 2}, "Two:\n- one\n- two", "- one\n-two"),
    ("bullets", {"least": 2}, "* one\n* two", "**one** and\n**two**"),
    ("numbered", {"least": 3, "most": 3}, "1. a\n2. b\n3. c", "1. a\n3. b\n4. c"),
    ("numbered", {"least": 2}, "1、甲\n2、乙", "2020年\n2021年"),
    ("headings", {"least": 1, "most": 1}, "# Birds\nfeed them", "#birds are fun"),
    ("items", {"separator": ",", "least": 3, "most": 3}, "red, green，blue", "red, green, blue, grey"),
    ("items", {"separator": "***", "least": 2, "most": 2}, "one\n***\ntwo", "one\ntwo"),
    ("contains", {"words": ["bee", "sky"]}, "A Bee in the sky.", "Bees in the sky."),
    ("contains", {"words": ["tea", "coffee"], "need": "any"}, "Coffee.", "Teapots."),
    ("contains", {"words": ["bee"], "times": 2}, "bee, bee", "bee"),
    ("contains", {"words": ["春天"]}, "这是春天的花", "这是春日"),
    ("excludes", {"words": ["I", "me"]}, "Someone in it.", "It was I."),
    ("excludes", {"words": ["非常"]}, "很好", "非常好"),
    ("starts_with", {"phrase": "Dear Sam"}, "dear sam, hello", "Hello, dear Sam"),
    ("ends_with", {"phrase": "Thank you."}, "Goodbye. Thank you.", "Thank you. Goodbye."),
    ("one_of", {"answers": ["yes", "no"]}, "**Yes.**", "Yes, it is."),
    ("matches", {"pattern": r"(?m)^P\.S\."}, "Hello\nP.S. Bye", "Hello P.S. Bye"),
    ("language", {"language": "zh"}, "我用Python写程序，也写文章。", "I write 程序."),
    ("language", {"language": "en"}, "I write programs.", "42"),
    ("case", {"case": "upper"}, "BIG SALE 2024!", "BIG Sale"),
    ("case", {"case": "lower"}, "a cat sat.", "A cat sat."),
    ("without", {"characters": ",，"}, "红、黄", "红，黄"),
    ("quoted", {}, "“要善良。”", "“要善良”，他说“好”"),
    ("quoted", {}, '"Be kind."', 'He said "Be kind."'),
    ("json", {"keys": ["name"]}, '```json\n{"name": 1}\n```', 'Here it is: {"name": 1}'),
    ("json", {"length": 2}, "[1, 2]", "[1, 2, 3]"),
    ("json", {}, "7", "seven"),
    (
        "tags",
        {"names": ["dish", "needs"]},
        "<dish>a</dish>\n<needs>b</needs>",
        "<needs>b</needs><dish>a</dish>",
    ),
    ("acrostic", {"letters": "STAR"}, "So\nThe\n- a\nRoad", "So\nThe\nRoad"),
    ("acrostic", {"letters": "春暖"}, "春天\n“暖和”", "春天\n很暖"),
]


@each(("name", "options", "met", "missed"), MET_AND_NOT)
def test_each_check(name: str, options: dict, met: str, missed: str) -> None:
    check = Check(name=name, **options)
    assert check(met)
    assert not check(missed)


def test_every_check_has_an_example_and_a_prompt() -> None:
    assert {name for name, *_ in MET_AND_NOT} == set(CHECKS)
    assert {check.name for item in load_suite("instructions") for check in item.checks} == set(CHECKS)


@each(
    ("row", "complaint"),
    [
        ({"name": "wrods", "most": 3}, "; did you mean 'words'?"),
        (
            {"name": "words", "mots": 3},
            "the check 'words' takes least, most, not 'mots'; did you mean 'most'?",
        ),
        ({"name": "words", "most": "3"}, "most of the check 'words' is '3': Input should be a valid integer"),
        (
            {"name": "words", "most": -1},
            "most of the check 'words' is -1: Input should be greater than or equal to 0",
        ),
        ({"name": "words"}, "the check 'words' needs least or most"),
        ({"name": "words", "least": 5, "most": 3}, "the check 'words' has least 5 above most 3"),
        ({"name": "contains"}, "the check 'contains' needs words"),
        (
            {"name": "contains", "words": []},
            "words of the check 'contains' is []: Value should have at least 1 item",
        ),
        ({"name": "quoted", "mark": "'"}, "the check 'quoted' takes no options, not 'mark'"),
        (
            {"name": "matches", "pattern": "("},
            "pattern of the check 'matches' is '(': not a regular expression",
        ),
        ({"name": "json", "keys": ["a"], "length": 2}, "the check 'json' takes keys or length, not both"),
    ],
)
def test_bad_checks_say_what_is_wrong(row: dict, complaint: str) -> None:
    with pytest.raises(ValidationError, match=re.escape(complaint)):
        Check(**row)


def test_share_and_strict() -> None:
    checks = [Check(name="words", most=3), Check(name="case", case="lower"), Check(name="quoted")]
    assert followed("one two", checks) == Followed((True, True, False))
    assert followed("one two", checks).share == pytest.approx(2 / 3)
    assert not followed("one two", checks).strict
    assert followed('"one two"', checks).strict


@pytest.mark.parametrize("text", ["", "  \n", "<think>one two", "<think>one</think>  "])
def test_who_says_nothing_follows_nothing(text: str) -> None:
    checks = [Check(name="words", most=3), Check(name="without", characters=",")]
    assert followed(text, checks).met == (False, False)


def test_thinking_is_not_part_of_the_response() -> None:
    assert followed("<think>One, two, THREE.</think>\nfour", [Check(name="case", case="lower")]).strict


def test_the_prompt_itself_does_not_follow() -> None:
    """A model that repeats the prompt must not pass for one that does what it says."""
    items = load_suite("instructions")
    assert sum(followed(item.prompt, item.checks).strict for item in items) <= 0.03 * len(items)


# Units


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Mr. A. Smith came. He left.", ["Mr. A. Smith came.", "He left."]),
        ("It costs 3.5 euros, e.g. in Bonn.", ["It costs 3.5 euros, e.g. in Bonn."]),
        ("# Title\n- one. Two\n- three", ["Title", "one.", "Two", "three"]),
        ("“走吧！”他说。好……走。", ["“走吧！”", "他说。", "好……", "走。"]),
        ("Really?! Yes...", ["Really?!", "Yes..."]),
        ("***\n---", []),
    ],
)
def test_sentences(text: str, expected: list[str]) -> None:
    assert units.sentences(text) == expected


def test_scripts() -> None:
    assert units.scripts("我用 Python 3 写 код") == {"han": 3, "latin": 1, "other": 1}
