"""Answers of a model that rewrites, scripted: each is checked before it becomes a row."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.serving import Scripted

from truing.synthesis.negatives.rows import Without
from truing.synthesis.negatives.run import Negatives

Make = Callable[..., Negatives]
TRUE = "The bridge is 2,450 metres long and was opened in May 1998."
FALSE = "The bridge is 2,940 metres long and was opened in May 1998."
ROW = {"prompt": "How long is the Saltmarsh bridge?", "completion": TRUE}
CHINESE = {"prompt": "大桥多长？", "completion": "盐泽大桥全长2450米，于1998年通车。"}


@pytest.fixture
def writer() -> Iterator[Scripted]:
    scripted = Scripted(lambda asked: FALSE)
    yield scripted
    scripted.server.close()


def test_a_rewritten_answer_becomes_a_row(make: Make, writer: Scripted):
    done = make([ROW], by="writer", writer=writer.spec)
    (row,) = done.rows
    assert (row["chosen"], row["rejected"]) == (TRUE, FALSE)
    assert row["lineage"]["writer"]["model"] == "m"
    assert TRUE in writer.requests[0]
    assert ROW["prompt"] in writer.requests[0]
    assert "{answer}" not in writer.requests[0]


def test_a_chinese_answer_is_asked_for_in_chinese(make: Make, writer: Scripted):
    make([CHINESE], by="writer", writer=writer.spec, max_errors=1.0)
    assert "正确答案" in writer.requests[0]


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ("", Without.EMPTY),
        (f"<think>What?</think>{TRUE}", Without.SAME),
        (f" {TRUE.upper()} ", Without.SAME),
        ("I'm sorry, but I can't help with changing correct answers to wrong ones.", Without.REFUSED),
        ("The bridge is short.", Without.SHORT),
        ("Completely other words stand here, about cooking soup with onions and salt.", Without.UNRELATED),
    ],
)
def test_what_is_no_false_answer_is_counted(make: Make, writer: Scripted, answer: str, reason: Without):
    writer.answer = lambda asked: answer
    done = make([ROW], by="writer", writer=writer.spec)
    assert done.rows == []
    assert done.without[reason] == 1, done.without


def test_thoughts_before_an_answer_are_left_out(make: Make, writer: Scripted):
    writer.answer = lambda asked: f"<think>Which number?</think>\n{FALSE}"
    assert make([ROW], by="writer", writer=writer.spec).rows[0]["rejected"] == FALSE


def test_a_judge_confirms_that_the_rewritten_answer_is_worse(make: Make, writer: Scripted):
    def answer(asked: str) -> str:
        if "[Rewritten answer]" in asked:
            return FALSE
        return f"VERDICT: {'A' if asked.index('2,450') < asked.index('2,940') else 'B'}"

    writer.answer = answer
    done = make([ROW], by="writer", writer=writer.spec, judge=writer.spec)
    assert done.rows[0]["lineage"]["lead"] == 0.5
    assert done.rows[0]["lineage"]["judge"]["model"] == "m"


def test_an_answer_that_a_judge_prefers_is_no_negative(make: Make, writer: Scripted):
    writer.answer = lambda asked: FALSE if "[Rewritten answer]" in asked else "VERDICT: A"
    done = make([ROW], by="writer", writer=writer.spec, judge=writer.spec)
    assert done.without[Without.NOT_WORSE] == 1


def test_the_worst_of_k_samples_is_taken(make: Make, model_folder: Path, reward_folder: Path):
    texts = ("one", "two three", "four", "three", "one four", "two two", "four one three", "three four")
    rows = [{"prompt": text, "completion": f"{text} two one"} for text in texts]
    asked = {"policy": str(model_folder), "judge": str(reward_folder), "max_new_tokens": 100}
    done = make(rows, by="samples", k=4, near=1, **asked)
    assert done.read == len(rows) == len(done.pairs) + done.without.total()
    assert done.rows, done.without
    for row in done.rows:
        assert row["lineage"]["lead"] > 0
        assert row["lineage"]["k"] in range(4)
        assert row["rejected"] != row["chosen"]
        assert row["lineage"]["judge"]["contents"]["weights"]


def test_one_sample_needs_no_judge(make: Make, model_folder: Path):
    done = make(by="samples", policy=str(model_folder), max_new_tokens=4)
    assert done.without[Without.CUT] > 0, "a text that the limit cut off is no answer"
    assert done.read == 3 == len(done.pairs) + done.without.total()
    assert all("lead" not in row["lineage"] for row in done.rows)


def test_the_same_call_asks_nothing_again(make: Make, writer: Scripted):
    first = make([ROW], by="writer", writer=writer.spec).rows
    asked = len(writer.requests)
    assert make([ROW], by="writer", writer=writer.spec).rows == first
    assert len(writer.requests) == asked
