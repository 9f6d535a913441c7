from collections.abc import Callable
from typing import Any

import pytest

from truing.config.judging import JudgingRecipe
from truing.judges.opinions import NoVerdict
from truing.judges.ranking import RankedResponses
from truing.pipelines.judging import judge_files
from truing.synthesis.judging.rows import joint_ranks, shown_first, told, trainable
from truing.synthesis.judging.run import ItemVerdict, JudgedRows

PAIRS = [{"prompt": f"Why {i}?", "chosen": f"good {i}", "rejected": f"bad one {i}"} for i in range(3)]


@pytest.fixture
def done(recipe: Callable[..., JudgingRecipe], scripted: Any) -> JudgedRows:
    """The longer response wins, but there is a tie on Why 1 and no verdict on Why 2."""
    usual = scripted.rule

    def rule(text: str) -> str:
        return "VERDICT: A" if "Why 1?" in text else "Hm." if "Why 2?" in text else usual(text)

    scripted.rule = rule
    return judge_files(recipe(PAIRS, max_errors=1), lambda line: None, lambda *seen: None)[0]


def test_the_better_response_is_chosen_and_a_tie_keeps_the_order_of_the_file(done: JudgedRows):
    rows = list(trainable(done))
    said = [(row["chosen"][0]["content"], row["chosen_probability"]) for row in rows]
    assert said == [("bad one 0", 1.0), ("good 1", 0.5)]
    assert [row["lineage"]["prompt"]["row"] for row in rows] == [1, 2]


def test_every_item_has_its_line_with_the_reason_of_an_error(done: JudgedRows):
    lines = list(told(done))
    assert [line["value"] for line in lines] == [0.0, 0.5, None]
    assert lines[0]["place"].endswith("rows.jsonl:1")
    assert lines[0]["judges"][0]["agree"] is True
    assert lines[1]["judges"][0]["agree"] is False
    assert "does not end with a verdict" in lines[2]["error"] == lines[2]["judges"][0]["error"]


def test_a_page_shows_errors_first_then_doubts(done: JudgedRows):
    shown = shown_first(done.verdicts, 2)
    assert isinstance(shown[0].value, NoVerdict)
    assert shown[1].value == 0.5


def test_ranks_of_several_judges_are_their_mean(done: JudgedRows):
    one = RankedResponses((0, 1, 2), (1, 2, 3), (1, 2, 3))
    two = RankedResponses((0, 1, 2), (1, 3, 2), (1, 3, 2))
    failed = RankedResponses((0, 1, 2), NoVerdict("no"), (1, 2, 3))
    verdict = ItemVerdict(done.verdicts[0].item, (one, two, failed), (), 1.0)
    assert joint_ranks(verdict) == [1, 2.5, 2.5]
