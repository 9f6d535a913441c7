"""Statistics of a handful of records, counted by hand."""

import json

import pytest

from truing.core.records import Message, Record, Response, reply, user
from truing.data.stats import language, near_identical, quantiles, stats

from ..tables import each

RECORDS = [
    Record(user("question"), (reply("four"), reply("sixsix"))),  # 4 - 6 = -2
    Record(user("question"), (reply("exactly ten"), reply("no"))),  # 11 - 2 = 9
    Record(user("今天天气怎么样"), (reply("很好", label=True),)),
    Record(user("x" * 20)),
    Record((Message("system", "ab"), Message("user", "cd")), (reply("ok"),)),
    Record(user("rank these"), (reply("a", rank=0), reply("b", rank=1), reply("abc", rank=2))),  # 1 - 3 = -2
]


def test_stats_of_six_records():
    found = stats(RECORDS)
    assert found["records"] == 6
    assert found["kinds"] == {"preference": 2, "unpaired": 1, "prompt": 1, "demonstration": 1, "ranking": 1}
    assert found["turns"] == {"1": 1, "2": 4, "3": 1}
    assert found["languages"] == {"en": 5, "zh": 1}
    assert found["labels"] == {"true": 1}
    assert found["duplicate_prompts"] == 1
    assert (found["chosen_chars"]["min"], found["chosen_chars"]["max"]) == (1, 11)
    assert found["prompt_chars"]["min"] == 4
    assert found["chosen_minus_rejected_mean"] == pytest.approx((-2 + 9 - 2) / 3)
    assert found["chosen_longer_share"] == pytest.approx(1 / 3)
    assert found["near_identical_share"] == 0.0
    assert json.loads(json.dumps(found)) == found


def test_nothing_to_compute_from_is_none():
    found = stats([])
    assert found["records"] == 0
    assert found["prompt_chars"] is None
    assert found["chosen_minus_rejected_mean"] is None
    assert found["near_identical_share"] is None


def test_quantiles_of_one_to_a_hundred():
    found = quantiles(range(1, 101))
    assert found == {"min": 1, "p5": 6, "p25": 26, "p50": 51, "p75": 76, "p95": 96, "max": 100}
    assert quantiles([7]) == dict.fromkeys(["min", "p5", "p25", "p50", "p75", "p95", "max"], 7)


@each(
    ("text", "expected"),
    [
        ("What is the weather like?", "en"),
        ("今天天气怎么样？", "zh"),
        ("请用 Python 写一个函数", "zh"),
        ("translate 你好 into English for me please", "en"),
        ("Привет, как дела?", "other"),
        ("こんにちは、元気ですか", "other"),
        ("안녕하세요", "other"),
        ("123 + 456 = ?", "other"),
        ("", "other"),
    ],
)
def test_language(text, expected):
    assert language(text) == expected


def test_near_identical_pairs_differ_in_a_number():
    """Two texts of 41 and 41 characters with one digit changed: ratio 2 * 40 / 82 = 0.976."""
    assert near_identical(
        "The company earned 5 billion yuan in May.", "The company earned 7 billion yuan in May."
    )
    assert not near_identical("The company earned 5 billion yuan in May.", "I do not know.")
    assert not near_identical("same start " * 200, "same start " * 100)


def test_only_the_last_words_count_as_text_of_a_response():
    turns = (Message("assistant", "a"), Message("user", "b"), Message("assistant", "c"))
    assert stats([Record(user("q"), (Response(turns),))])["response_chars"]["max"] == len("a\n\nc")
