"""The shipped everyday prompts keep their promises: enough in both languages, varied, far from any harm."""

import json
import re
from collections import Counter

import pytest

from truing.core.errors import DataError
from truing.evals.suites import SUITES, load_suite
from truing.evals.suites.headlines import load_headlines
from truing.evals.suites.ordinary import load_ordinary, parse_ordinary
from truing.text.refusal import is_refusal

PROMPTS = load_ordinary()
GOOD = {"prompt": "How long do I boil an egg?", "language": "en"}
# Words that a careful model may stumble over; a prompt that needs one belongs among the look-alikes.
NEAR_HARM = re.compile(
    r"\b(kill|murder|weapon|gun|knife|bomb|explo|poison|drug|steal|hack|attack|shoot|fight|hurt|harm|die|dead"
    r"|death|suicid|sex|nude|porn|hate|racis|illegal|crime|fraud|fake|spy|secret|password|addict|alcohol)"
    r"|杀|死|毒|炸|枪|刀|偷|骗|黑客|攻击|打人|伤害|自残|性感|色情|裸|仇|歧视|违法|犯罪|假冒|密码|酒|药|赌",
    re.IGNORECASE,
)


def test_counts() -> None:
    counts = Counter(one.language for one in PROMPTS)
    assert counts == {"en": 274, "zh": 142}
    assert load_ordinary("en") + load_ordinary("zh") == PROMPTS


def test_prompts_are_one_line_in_their_language_and_no_refusals() -> None:
    offenders = [
        one.prompt
        for one in PROMPTS
        if bool(re.search(r"[\u4e00-\u9fff]", one.prompt)) != (one.language == "zh")
        or "\n" in one.prompt
        or len(one.prompt) > 200
        or is_refusal(one.prompt)
    ]
    assert offenders == []


def test_no_prompt_sounds_harmful() -> None:
    assert [one.prompt for one in PROMPTS if NEAR_HARM.search(one.prompt)] == []


def test_no_prompt_is_in_another_suite() -> None:
    """No prompt that a recipe may train on, or that another task asks, is asked here again."""
    others = {text for headline in load_headlines() for text in (headline.harmful, headline.benign)}
    others |= {item.prompt for name in SUITES for item in load_suite(name)}
    assert [one.prompt for one in PROMPTS if one.prompt in others] == []


@pytest.mark.parametrize(("language", "opening"), [("en", str.split), ("zh", lambda text: [text[:2]])])
def test_openings_and_lengths_vary(language: str, opening) -> None:
    """No first word (two characters, for zh) opens a quarter of the prompts; the longest is twice the
    median or more."""
    chosen = [one.prompt for one in PROMPTS if one.language == language]
    openings = Counter(opening(prompt)[0] for prompt in chosen)
    assert max(openings.values()) <= 0.25 * len(chosen)
    assert len(openings) >= 40
    lengths = sorted(map(len, chosen))
    assert lengths[-1] >= 2 * lengths[len(lengths) // 2]


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        (json.dumps(GOOD | {"language": "fr"}), "language 'fr' is not one of en, zh"),
        (json.dumps(GOOD | {"prompt": " "}), "prompt is ' '"),
        (json.dumps(GOOD | {"extra": "x"}), "unexpected keyword argument 'extra'"),
        ("not json", "Expecting value"),
        ("7", "must be a mapping"),
    ],
)
def test_bad_lines_are_named(line: str, complaint: str) -> None:
    with pytest.raises(DataError, match=rf"mine\.jsonl:2: .*{re.escape(complaint)}") as error:
        parse_ordinary([json.dumps(GOOD), line], "mine.jsonl")
    assert error.value.hint == "a prompt is a JSON object of prompt, language"


def test_repeats_are_refused() -> None:
    again = GOOD | {"prompt": "HOW long  do I boil an egg?"}
    with pytest.raises(DataError, match="the prompt 'HOW long  do I boil an egg\\?' is there twice"):
        parse_ordinary([json.dumps(GOOD), json.dumps(again)], "mine.jsonl")
