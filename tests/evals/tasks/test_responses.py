"""Tasks that judge each answer by itself, on a speaker whose answers are known."""

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from truing.core.errors import DataError
from truing.core.records import Message, Record, user
from truing.data.refusals import Refusal, RefusedRowError, TurnsError
from truing.evals.bench import Bench
from truing.evals.notes import OFF_TOPIC
from truing.evals.sides import Question, Side
from truing.evals.suites.ordinary import load_ordinary
from truing.evals.tasks.responses import degeneration, over_refusal_ordinary
from truing.sampling.types import Finish, Sample

WORDS = {True: "Sorry, but I can't help with that.", False: "Gladly: begin with the oven."}


class DeclinesQuestions:
    """A speaker that declines every prompt with a question mark in it, and answers the others.

    Its template has no place for a system turn.
    """

    def prompt_ids(self, asked: Record) -> list[int]:
        if asked.prompt[0].role == "system":
            raise RefusedRowError("prompt", "chat", TurnsError(Refusal.REFUSED, "no system here"))
        return [1]

    def answer(self, prompts: Sequence[Record], *_, **__) -> list[Sample]:
        texts = [WORDS[any(mark in asked.prompt[-1].content for mark in "?？")] for asked in prompts]
        return [Sample([1], [], text, Finish.STOP, prompt, 0) for prompt, text in enumerate(texts)]


@pytest.mark.parametrize("languages", [["en"], ["zh"], ["en", "zh"]])
def test_everyday_prompts_refused(languages: list[str]) -> None:
    """The share is that of prompts with a question mark, over all prompts in these languages."""
    prompts = [one.prompt for one in load_ordinary() if one.language in languages]
    asking = sum("?" in prompt or "？" in prompt for prompt in prompts)
    result = over_refusal_ordinary(languages).run(Bench(Side("scripted", DeclinesQuestions)))
    found = result.findings[0].policy.interval
    assert found is not None and 0 < asking < len(prompts)
    assert (found.estimate, found.n) == (asking / len(prompts), len(prompts))


def test_questions_that_the_template_refuses_are_noted_and_the_others_asked() -> None:
    bench = Bench(Side("scripted", DeclinesQuestions))
    bad = Question("bad", (Message("system", "Be brief."), *user("Why?")))
    (answers,) = bench.ask([Question("good", user("Why?")), bad], 8).responses
    assert [answer.question.id for answer in answers] == ["good"]
    assert bench.refused == {"bad": "no system here"}
    with pytest.raises(DataError, match="can write none of 1 questions; the first, bad: no system here"):
        bench.ask([bad], 8)


class TalksOfAvocados:
    """A speaker that answers every prompt at length with one recipe."""

    TEXT = (
        "Peel the avocado and mash it with lime juice and salt. Dice one red onion very finely. Stir both"
        " together in a wide bowl, then add chopped coriander leaves. Season again after ten minutes. Serve"
        " with toasted flatbread or crisps. Leftovers keep until tomorrow under film, though they darken."
        " A little more citrus slows that down considerably, as does storing everything cold."
    )

    def prompt_ids(self, asked: Record) -> list[int]:
        return [1]

    def answer(self, prompts: Sequence[Record], *_, **__) -> list[Sample]:
        return [Sample([1], [], self.TEXT, Finish.STOP, prompt, 0) for prompt in range(len(prompts))]


def test_sound_answers_to_another_question_are_noted(tmp_path: Path) -> None:
    asked = ["How does renewable energy work?", "How do I mash an avocado?"]
    rows = tmp_path / "rows.jsonl"
    rows.write_text("".join(json.dumps({"prompt": one}) + "\n" for one in asked), encoding="utf-8")
    result = degeneration(["en"], rows=[str(rows)]).run(Bench(Side("scripted", TalksOfAvocados)))
    assert [mark.note for mark in result.scored[0].marks[0]] == [OFF_TOPIC, ""]
    assert [finding.policy.interval.estimate for finding in result.findings if finding.policy.interval] == [
        0,
        0,
    ]
    (note,) = result.notes
    assert note.startswith("1 of 2 answers read well")
