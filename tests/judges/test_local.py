"""A model on this machine in the place of a server: the same questions, opinions, failures and cache."""

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from truing.core.errors import ConfigError
from truing.core.records import Turns, user
from truing.judges.cache import AnswerCache
from truing.judges.client import Judge
from truing.judges.endpoint import Endpoint
from truing.judges.local import LocalJudge
from truing.judges.opinions import Asker, CountedAsker, NoVerdict, NoVerdictError
from truing.judges.pairwise import TEMPLATE, Comparison, Pairwise, Verdict, read_template


def read(text: str) -> float:
    """An opinion is a bare number."""
    try:
        return float(text)
    except ValueError:
        raise NoVerdictError(f"{text!r} is no number") from None


class Model:
    """Answers from a table by the text of the last turn, and remembers what it was asked, call by call."""

    def __init__(self, **answers: str | None) -> None:
        self.answers = answers
        self.calls: list[list[str]] = []

    def __call__(self, questions: Sequence[Turns]) -> list[str | None]:
        texts = [question[-1].content for question in questions]
        self.calls.append(texts)
        return [self.answers[text] for text in texts]


def ask(judge: Asker, *texts: str) -> list[float | NoVerdict]:
    return judge.ask([user(text) for text in texts], read)


def test_answers_come_in_the_order_of_the_questions_and_equal_ones_are_asked_once():
    model = Model(a="1", b="2")
    assert ask(LocalJudge("m", model), "b", "a", "b") == [2.0, 1.0, 2.0]
    assert model.calls == [["b", "a"]]


def test_nothing_to_ask():
    model = Model()
    assert ask(LocalJudge("m", model)) == []
    assert model.calls == []


def test_a_failure_is_of_its_own_question():
    model = Model(a="1", cut=None, empty=" \n", prose="Hm.")
    assert ask(LocalJudge("m", model), "a", "cut", "empty", "prose") == [
        1.0,
        NoVerdict("the question or its answer is too long"),
        NoVerdict("the answer is empty"),
        NoVerdict("'Hm.' is no number"),
    ]


def test_no_more_at_once_than_allowed():
    model = Model(a="1", b="2", c="3")
    assert ask(LocalJudge("m", model, at_once=2), "a", "b", "c") == [1.0, 2.0, 3.0]
    assert model.calls == [["a", "b"], ["c"]]


def test_the_second_time_nothing_is_asked(tmp_path: Path):
    """Answers are greedy: another try would say the same, be as unreadable, or end as early."""
    cache = AnswerCache(tmp_path / "answers.sqlite")
    first = ask(LocalJudge("m", Model(a="1", b="Hm.", c=None), cache), "a", "b", "c")
    second = Model(a="5", b="2", c="3")
    assert ask(LocalJudge("m", second, cache), "a", "b", "c") == first
    assert first[0] == 1.0
    assert isinstance(first[2], NoVerdict)
    assert second.calls == []


def test_another_model_has_answers_of_its_own(tmp_path: Path):
    cache = AnswerCache(tmp_path / "answers.sqlite")
    assert ask(LocalJudge("m", Model(a="1"), cache), "a") == [1.0]
    assert ask(LocalJudge("n", Model(a="2"), cache), "a") == [2.0]
    assert ask(LocalJudge("m", Model(), cache), "a") == [1.0]


def test_what_was_answered_before_a_crash_is_kept(tmp_path: Path):
    cache = AnswerCache(tmp_path / "answers.sqlite")
    with pytest.raises(KeyError):
        ask(LocalJudge("m", Model(a="1", b="2"), cache, at_once=2), "a", "b", "c", "d")
    rest = Model(c="3", d="4")
    assert ask(LocalJudge("m", rest, cache), "a", "b", "c", "d") == [1.0, 2.0, 3.0, 4.0]
    assert rest.calls == [["c", "d"]]


@pytest.mark.parametrize("answers", [[], ["1", "2"]])
def test_a_model_must_answer_every_question_once(answers: list[str]):
    with pytest.raises(ValueError, match="zip"):
        ask(LocalJudge("m", lambda questions: answers), "a")


@pytest.mark.parametrize(
    ("fields", "told"), [({"at_once": 0}, "at_once is 0"), ({"identity": ""}, "has no identity")]
)
def test_a_judge_that_cannot_be(fields: dict, told: str):
    with pytest.raises(ConfigError, match=told):
        LocalJudge(**{"identity": "m", "answer": Model(), **fields})


def test_it_compares_as_a_server_does(server, endpoint: Callable[..., Endpoint], replies, tmp_path: Path):
    def verdict(text: str) -> str:
        return "VERDICT: A" if "response A>>\ngood" in text else "VERDICT: B"

    def answer(questions: Sequence[Turns]) -> list[str | None]:
        return [verdict(question[-1].content) for question in questions]

    server.script = lambda text, before: replies.text(verdict(text))
    cache = AnswerCache(tmp_path / "answers.sqlite")
    judged = [(user("Why?"), "good", "bad"), (user("Why?"), "bad", "worse"), (user("Why?"), "x", "x")]
    local, served = (
        Pairwise(judge, "Be kind.", read_template(TEMPLATE))(judged)
        for judge in (LocalJudge("m", answer, cache), Judge(endpoint(), cache))
    )
    assert local == served
    assert local[0] == Comparison(Verdict.FIRST, Verdict.SECOND)
    assert local[1].consistent is False
    assert len(server.asked) == 4, "what a model on this machine said is no server's answer"


def test_every_question_is_counted_once_however_it_ends(tmp_path: Path):
    seen: list[int] = []
    model = Model(a="1", b=None, c="Hm.", d=" ")
    judge = LocalJudge("m", model, AnswerCache(tmp_path / "answers.sqlite"))
    counted = CountedAsker(judge, lambda: seen.append(len(model.calls)))
    ask(counted, "a", "b", "c", "d", "a")
    assert seen == [0, 1, 1, 1, 1], "an equal one at once, the others as they are answered"
    ask(counted, "d", "c", "b", "a")
    assert len(seen) == 9
