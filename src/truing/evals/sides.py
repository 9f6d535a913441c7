"""The models of an evaluation: asked, scored, and remembered.

A side keeps its responses, so that tasks that ask the same prompts in the same way share them; given a
place on disk it keeps them there too.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from truing.core.records import Record, RubricItem, Turns
from truing.data.refusals import RefusedRowError
from truing.data.trees import Branch, Tree
from truing.evals.drawing import Drawers, at_least
from truing.evals.kept import KeptResponses
from truing.models.world import World
from truing.rewards.types import Item
from truing.sampling.speaker import Speaker
from truing.sampling.types import Finish, OnProgress, Sample, Sampling


@dataclass(frozen=True, slots=True)
class Question:
    """A prompt for a model, with the facts that scoring needs. `id` is unique within a task."""

    id: str
    prompt: Turns
    category: str = ""
    language: str = ""
    reference: str | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)  # further values for scoring
    place: str = ""  # of its row, `file:line`, where it has one
    given: str = ""  # `Record.given` of its row
    rubric: tuple[RubricItem, ...] = ()

    @property
    def asked(self) -> Record:
        """The record that a model is given; equal for questions that are asked in the same way."""
        return Record(self.prompt, given=self.given)

    def item(self, sample: Sample) -> Item:
        """Return a response in the form that rewards and rules read."""
        return Item(
            self.prompt,
            sample.text,
            finish=sample.finish,
            tokens=len(sample.tokens),
            reference=self.reference,
            category=self.category or None,
            columns=self.facts,
            given=self.given,
            rubric=self.rubric,
            place=self.place or self.id,
        )


@dataclass(frozen=True, slots=True)
class SampledResponse:
    """One response to a question; `k` counts the responses to that question from 0."""

    question: Question
    sample: Sample
    k: int

    @property
    def text(self) -> str:
        return self.sample.text

    @property
    def cut(self) -> bool:
        """Tell whether the response ended at the limit of tokens."""
        return self.sample.finish is Finish.LENGTH

    @property
    def confidence(self) -> float:
        """The geometric mean of the response's token probabilities, 0 to 1."""
        logprobs = self.sample.logprobs
        return math.exp(sum(logprobs) / len(logprobs)) if logprobs else 0.0


def response_of(question: Question, text: str, *, cut: bool = False, k: int = 0) -> SampledResponse:
    """Return a response of which only the text is known, such as one read from a file."""
    finish = Finish.LENGTH if cut else Finish.STOP
    return SampledResponse(question, Sample([], [], text, finish, prompt=0, k=k), k)


class Side:
    """One model of an evaluation."""

    def __init__(
        self,
        source: str,
        open_speaker: Callable[[], Speaker],
        kept: KeptResponses | None = None,
        drawers: Drawers | None = None,
    ) -> None:
        self.source = source
        self._open = open_speaker
        self._kept = kept
        self._drawers = drawers or Drawers(World(), 0)
        self._responses: dict[tuple[Record, Sampling], list[Sample]] = {}

    @cached_property
    def speaker(self) -> Speaker:
        return self._open()

    def responses(
        self, questions: Sequence[Question], sampling: Sampling, samples: int, progress: OnProgress
    ) -> list[SampledResponse]:
        """Return `samples` responses to each question, those to one question next to each other.

        The draws depend on the text of the prompt, not on the other questions.
        """
        prompts = dict.fromkeys(question.asked for question in questions)
        asked = [prompt for prompt in prompts if len(self._responses.get((prompt, sampling), ())) < samples]
        self._recall(asked, sampling, samples)
        missing = [one for one in asked if len(self._responses.get((one, sampling), ())) < samples]
        self._draw(missing, sampling, samples, progress)
        return [
            SampledResponse(question, sample, k)
            for question in questions
            for k, sample in enumerate(self._responses[question.asked, sampling][:samples])
        ]

    def _recall(self, asked: Sequence[Record], sampling: Sampling, samples: int) -> None:
        """Take over the responses that are on disk."""
        if self._kept is None:
            return
        for prompt in asked:
            if (found := self._kept.get(prompt, sampling, samples)) is not None:
                self._responses[prompt, sampling] = found

    def _draw(self, asked: Sequence[Record], sampling: Sampling, samples: int, progress: OnProgress) -> None:
        """Draw responses; where they go to disk, each batch is there before the next is begun."""
        if not asked:
            return
        batches, ranks = [list(range(len(asked)))], self._drawers.here.size
        if self._kept is not None:
            batches = self.speaker.batches(asked, sampling, group_size=samples)
        batches = at_least(ranks, batches)
        done, total = 0, len(asked) * samples
        for start in range(0, len(batches), ranks):
            parts = [[asked[place] for place in places] for places in batches[start : start + ranks]]
            of_parts = self._drawers.draw(
                lambda: self.speaker,
                parts,
                sampling,
                samples,
                lambda ended, _, before=done: progress(before + ended, total),
            )
            for part, found in zip(parts, of_parts, strict=True):
                if self._kept is not None:
                    self._kept.put(zip(part, found, strict=True), sampling, samples)
                self._responses |= {(one, sampling): own for one, own in zip(part, found, strict=True)}
                done += len(part) * samples
            if ranks > 1:
                progress(done, total)

    def refuses(self, question: Question) -> str | None:
        """Say why the side's chat template cannot write a question; None where it can."""
        try:
            self.speaker.prompt_ids(question.asked)
        except RefusedRowError as error:
            return error.words
        return None

    def tree(self, response: SampledResponse) -> Tree:
        """Return a response as a tree of one branch, for scoring."""
        tokens = response.sample.tokens
        return Tree(self.speaker.prompt_ids(response.question.asked), (Branch(tokens, [True] * len(tokens)),))
