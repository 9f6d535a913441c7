"""The bench asks every model the same questions, and counts values side by side."""

import pytest

from truing.core.errors import DataError
from truing.core.records import user
from truing.data.refusals import Refusal, RefusedRowError, TurnsError
from truing.evals.bench import Bench, Marks, Responses, score
from truing.evals.numbers import Number
from truing.evals.sides import Question, Side
from truing.sampling.types import Finish, Sample

NUMBER = Number("right", "Right", "%", "higher", "Share that is right.")
QUESTIONS = [Question(name, user(name), category=name[:1]) for name in ("a1", "a2", "b1")]


class Echo:
    """A speaker that says its own name; its template refuses one prompt."""

    def __init__(self, name: str, refuses: str = "") -> None:
        self.name, self.refuses = name, refuses

    def prompt_ids(self, asked) -> list[int]:
        if asked.prompt[0].content == self.refuses:
            raise RefusedRowError("prompt", "chat", TurnsError(Refusal.REFUSED, "not this"))
        return [1]

    def answer(self, prompts, sampling, *, group_size, on_progress, **_) -> list[Sample]:
        self.sampling = sampling
        on_progress(len(prompts), len(prompts))
        pairs = ((p, k) for p in range(len(prompts)) for k in range(group_size))
        return [Sample([1], [0.0], f"{self.name}{k}", Finish.STOP, p, k) for p, k in pairs]


def bench(**options) -> Bench:
    return Bench(Side("new", lambda: Echo("new")), Side("old", lambda: Echo("old", "a2")), **options)


def test_a_question_that_one_side_cannot_be_asked_is_asked_of_none():
    one = bench(samples=2)
    new, old = one.ask(QUESTIONS, 4).responses
    assert [r.text for r in new] == ["new0", "new1"] * 2 and [r.question.id for r in old] == [
        "a1",
        "a1",
        "b1",
        "b1",
    ]
    assert one.refused == {"a2": "not this"}


def test_the_model_alone_is_sampled_as_it_was_trained():
    one = bench(temperature=0.0, seed=5)
    assert len(one.alone(QUESTIONS, 4)) == 2
    assert (one.policy.speaker.sampling.temperature, one.policy.speaker.sampling.seed) == (1.0, 5)  # pyright: ignore


def test_progress_names_the_model_that_is_asked():
    told: list[tuple[str, int, int]] = []
    bench(watch=lambda *seen: told.append(seen)).ask(QUESTIONS[:1], 4)
    assert told == [("asking new", 1, 1), ("asking old", 1, 1)]


def test_values_become_a_number_with_groups_and_missing_ones_are_counted():
    asked = Responses([bench().ask([QUESTIONS[0], QUESTIONS[2]], 4).responses[0]] * 2)
    right = {"a1": 1.0, "b1": None}
    scored = score(asked, lambda rs: [Marks({"right": right[r.question.id]}) for r in rs])
    found = scored.finding(NUMBER, "right", group=lambda r: r.question.category)
    assert found.policy.missing == 1 and found.policy.interval is not None
    assert (found.policy.interval.estimate, set(found.groups)) == (1.0, {"a", "b"})
    with pytest.raises(DataError, match="0 values"):
        scored.finding(NUMBER, "absent")
