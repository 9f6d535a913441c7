"""Two answers are compared in both orders under every principle; a missing verdict leaves no share."""

import pytest
from tests.synthesis.constitution.cases import PRINCIPLES

from truing.core.records import Record, user
from truing.judges.fields import Verdict
from truing.judges.opinions import NoVerdict
from truing.synthesis.constitution.pairs import AnswerPair, PrincipleVotes, compared


class Judge:
    """A judge that prefers the answer with `good`, whatever its place."""

    title, identity = "judge", {"model": "judge"}

    def __init__(self) -> None:
        self.questions = []

    def ask(self, questions, read, tick):
        self.questions += questions
        for _ in questions:
            tick()
        texts = [one[0].content for one in questions]
        return [Verdict("A" if one.index("good") < one.index("response B>>") else "B") for one in texts]


def test_both_orders_of_every_principle_are_asked():
    judge, seen = Judge(), []
    pair = AnswerPair(Record(user("Hello")), "a good one", "a poor one", PRINCIPLES[:2])
    (found,) = compared(judge, [pair], "title", lambda *shown: seen.append(shown))
    assert found.opinions == [1.0, 1.0]
    assert found.better
    assert len(set(judge.questions)) == 4
    assert all(one.text in str(judge.questions) for one in PRINCIPLES[:2])
    assert seen == [("title", done, 4) for done in (1, 2, 3, 4)]


@pytest.mark.parametrize(
    ("opinions", "share", "better"),
    [([1.0, 0.5], 0.75, True), ([1.0, 0.0], 0.5, False), ([0.5, 1.0], 0.75, False), ([0.0], 0.0, False)],
)
def test_the_first_principle_decides_and_all_weigh(opinions: list[float], share: float, better: bool):
    votes = PrincipleVotes(opinions)
    assert votes.share == share
    assert votes.better is better


def test_a_missing_verdict_leaves_no_share():
    votes = PrincipleVotes([1.0, NoVerdict("no verdict")])
    assert votes.share == NoVerdict("no verdict")
    assert not votes.better
