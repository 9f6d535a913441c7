"""The parts of a task: the models it asks, their responses with values, and its findings.

Bench.ask(questions) -> Responses: the same questions answered by every model
score(asked, how)    -> ScoredResponses: for every response its values by name, or why there is none
Scored.finding(...)  -> NumberFinding
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from truing.core.errors import DataError
from truing.core.messages import message
from truing.data.refusals import HINTS, Refusal
from truing.evals.numbers import Number, NumberFinding, Values, finding
from truing.evals.sides import Question, SampledResponse, Side
from truing.sampling.types import Sampling

GroupOf = Callable[[SampledResponse], str]


class TaskWatch(Protocol):
    """Called with the number of parts that are done and the number of all parts."""

    def __call__(self, title: str, done: int, total: int) -> None: ...


def silent(title: str, done: int, total: int) -> None:
    """Do nothing: a watch for calls that show no progress."""


@dataclass(frozen=True)
class Bench:
    """The models under test and how they are asked."""

    policy: Side
    against: Side | None = None
    samples: int = 1
    temperature: float = 0.0
    seed: int = 0
    watch: TaskWatch = silent
    folder: Path | None = None  # of the evaluation, for files that outlive the bench
    refused: dict[str, str] = field(default_factory=dict)  # by id: why a question could not be asked
    logprobs: bool = True  # of responses: without logprobs there is no confidence, and sampling is quicker

    @property
    def sides(self) -> list[Side]:
        """The models, the one under test first."""
        return [self.policy] if self.against is None else [self.policy, self.against]

    def ask(self, questions: Sequence[Question], max_new_tokens: int) -> "Responses":
        """Return every side's responses to the questions, in the order of the questions."""
        how = {"temperature": self.temperature, "seed": self.seed, "logprobs": self.logprobs}
        sampling = Sampling(max_new_tokens=max_new_tokens, **how)
        kept = self._askable(questions, self.sides)
        return Responses([self._responses(side, kept, sampling) for side in self.sides])

    def alone(self, questions: Sequence[Question], max_new_tokens: int) -> list[SampledResponse]:
        """Return samples of the model under test at temperature 1, the distribution that training shapes."""
        sampling = Sampling(max_new_tokens=max_new_tokens, temperature=1.0, seed=self.seed)
        return self._responses(self.policy, self._askable(questions, self.sides), sampling)

    def _askable(self, questions: Sequence[Question], sides: Sequence[Side]) -> list[Question]:
        """Return the questions that every side's chat template can write; note the others in `refused`.

        Raises DataError where no question is left.
        """
        kept: list[Question] = []
        for question in questions:
            words = next((said for side in sides if (said := side.refuses(question))), None)
            if words is None:
                kept.append(question)
            else:
                self.refused[question.id] = words
        if questions and not kept:
            name, words = next((one.id, self.refused[one.id]) for one in questions)
            raise DataError(
                message(
                    "the chat template can write none of {n} questions; the first, {name}: {words}",
                    n=len(questions),
                    name=name,
                    words=words,
                ),
                hint=HINTS[Refusal.REFUSED],
            )
        return kept

    def _responses(
        self, side: Side, questions: Sequence[Question], sampling: Sampling
    ) -> list[SampledResponse]:
        def progress(done: int, total: int) -> None:
            self.watch(message("asking {model}", model=side.source), done, total)

        return side.responses(questions, sampling, self.samples, progress)


@dataclass(frozen=True)
class Responses:
    """The responses of every side, one list each, place by place to the same questions."""

    responses: list[list[SampledResponse]]


@dataclass(frozen=True, slots=True)
class Marks:
    """The result of scoring one response: values by name, and a note on what the values do not show."""

    values: Mapping[str, float | None]
    note: str = ""


@dataclass(frozen=True)
class ScoredResponses:
    """Responses with their marks, one list a side."""

    responses: list[list[SampledResponse]]
    marks: list[list[Marks]]

    def finding(self, number: Number, value: str, *, group: GroupOf | None = None) -> NumberFinding:
        """Return the number over the responses that carry the value `value`, of which there must be one."""
        sides = [self._values(place, value, group) for place in range(len(self.responses))]
        return finding(number, *sides, mean_of=value)

    def _values(self, side: int, name: str, group: GroupOf | None) -> Values:
        pairs = zip(self.responses[side], self.marks[side], strict=True)
        chosen = [(response, marks.values[name]) for response, marks in pairs if name in marks.values]
        return Values(
            [value for _, value in chosen],
            [response.question.id for response, _ in chosen],
            [group(response) for response, _ in chosen] if group else (),
        )


def score(asked: Responses, how: Callable[[list[SampledResponse]], list[Marks]]) -> ScoredResponses:
    """Score each side's responses with `how`."""
    return ScoredResponses(asked.responses, [how(responses) for responses in asked.responses])


@dataclass(frozen=True)
class TaskResult:
    """The findings of a task, and the responses behind them."""

    findings: list[NumberFinding]
    scored: list[ScoredResponses] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)  # for readers
    void: str = ""  # the reason of a result without findings


@dataclass(frozen=True)
class Task:
    """Something to measure, with its options settled. `numbers` are what it may find."""

    numbers: tuple[Number, ...]
    run: Callable[[Bench], TaskResult]
    needs_against: bool = False


TaskMaker = Callable[..., Task]
