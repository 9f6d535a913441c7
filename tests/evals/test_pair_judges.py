"""Judges of pairs: what each decides, and what it tells of its biases."""

from pathlib import Path

import pytest

from truing.core.errors import ConfigError
from truing.core.records import user
from truing.evals.bench import Marks
from truing.evals.pair_judges import Opinions, by_reward, judge_of, length_decides, scores_of
from truing.evals.sides import Question, response_of
from truing.rewards.model import model_reward
from truing.rewards.types import Failed, Item, RewardOutcome, ScoredItem

QUESTION = Question("a", user("Is it?"))
OURS = [response_of(QUESTION, text) for text in ("Yes, it is.", "Same.")]
THEIRS = [response_of(QUESTION, text) for text in ("No.", "Same.")]


def longer(responses: list[str], others: list[str]) -> list[float]:
    """A judge of one's own."""
    return [float(len(a) > len(b)) for a, b in zip(responses, others, strict=True)]


def test_the_higher_score_wins_and_equal_responses_tie(reward_folder: Path):
    found = by_reward(None, path=str(reward_folder))(OURS, THEIRS)
    scores = [
        one.value  # pyright: ignore[reportAttributeAccessIssue]
        for one in model_reward(None, print, path=str(reward_folder))(
            [side[0].question.item(side[0].sample) for side in (OURS, THEIRS)]
        )
    ]
    assert found.preferences == [float(scores[0] > scores[1]), 0.5]
    assert str(reward_folder) in found.notes[0]


def test_equal_responses_to_a_prompt_are_scored_once():
    other = Question("b", user("Is it so?"))
    said = [response_of(one, text) for one, text in ((QUESTION, "Yes"), (other, "Yes"), (QUESTION, "Yes"))]
    asked: list[str] = []

    def reward(items: list[Item]) -> list[RewardOutcome]:
        asked.extend(item.place for item in items)
        return [ScoredItem(float(len(asked))), Failed("too long")]

    marks = scores_of(reward, said)  # pyright: ignore[reportArgumentType]
    assert asked == ["a", "b"]
    assert marks == [Marks({"reward": 2.0}), Marks({"reward": None}, "too long"), Marks({"reward": 2.0})]


def test_a_function_of_ones_own_judges_once():
    found = judge_of(f"{__name__}:longer")(None)(OURS, THEIRS)
    assert found.preferences == [1.0, 0.0]


def test_a_wrong_judge_is_told_before_it_is_opened():
    with pytest.raises(ConfigError, match="did you mean 'server'"):
        judge_of("servr")
    with pytest.raises(ConfigError, match="needs path"):
        judge_of("model")
    with pytest.raises(ConfigError, match="not 'rubrik'"):
        judge_of({"name": "server", "model": "m", "rubrik": "be fair"})


def test_the_first_reason_is_that_of_a_pair_without_verdict():
    assert Opinions([1.0, None, None], ["fine", "timed out", "broken"], []).first_reason == "timed out"
    assert Opinions([1.0], ["fine"], []).first_reason == ""


def test_length_is_told_where_it_decides_and_only_there():
    (told,) = length_decides([1.0] * 40, [5] * 40)
    assert "the longer answer wins 40 of 40" in told
    (told,) = length_decides([0.0] * 40, [5] * 40)
    assert "the shorter answer wins 40 of 40" in told
    assert length_decides([1.0, 0.0] * 20, [5] * 40) == []
    assert length_decides([0.5, None, 1.0], [5, 5, 0]) == [], (
        "ties, no verdicts and equal lengths say nothing"
    )
