"""A rubric per row: a list of criteria for one response, each of which it meets or not.

    {"prompt": "Why is the sky blue?", "rubric": [{"text": "Names scattering", "weight": 2, "must": true},
                                                  {"text": "At most three sentences"}]}
    -> 1: yes, 2: no -> score 2/3

The score is the weighted share of criteria that are met, and 0 where one that `must` be met is not. A
negative weight is of something that should not be there. One question is asked for each response.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Literal

from truing.core.languages import Language
from truing.core.messages import message
from truing.core.records import Message, RubricItem, Turns
from truing.judges.fence import neutral
from truing.judges.fields import as_yes
from truing.judges.opinions import Asker, NoVerdict
from truing.judges.question import prompt_file, question_of, template_of
from truing.judges.reading import StatedField, read_stated

FILLED = ("mark", "items", "form", "conversation", "response")
SEEN = 4  # responses below which a criterion that all or none meet says nothing


Rubric = tuple[RubricItem, ...]


@dataclass(frozen=True, slots=True)
class RubricVerdict:
    """A judge's verdict on each criterion of a rubric; None where the answer has none."""

    rubric: Rubric
    met: tuple[bool | None, ...]

    @property
    def score(self) -> float | NoVerdict:
        """Return the weighted share that is met, from 0 to 1; no verdict where one is missing."""
        pairs = list(zip(self.rubric, self.met, strict=True))
        if any(item.must and met is False for item, met in pairs):
            return 0.0
        missing = [place for place, met in enumerate(self.met, 1) if met is None]
        if missing:
            return NoVerdict(message("there is no verdict on criterion {place}", place=missing[0]))
        whole = sum(item.weight for item in self.rubric if item.weight > 0)
        return max(0.0, sum(item.weight for item, met in pairs if met)) / whole


@dataclass(frozen=True)
class RubricJudge:
    """A judge of responses, each against a rubric of its own."""

    judge: Asker
    language: Language = "en"

    def __call__(
        self, judged: Sequence[tuple[Sequence[Message], str, Rubric]]
    ) -> list[RubricVerdict | NoVerdict]:
        """Check each (prompt, response, rubric), or say why there is no verdict at all."""
        if not judged:
            return []
        fields = [item_field(place) for place in range(1, max(len(rubric) for *_, rubric in judged) + 1)]
        told = self.judge.ask(self.questions(judged), lambda text: read_stated(text, fields))
        return [_verdict(rubric, said) for (*_, rubric), said in zip(judged, told, strict=True)]

    def questions(self, judged: Sequence[tuple[Sequence[Message], str, Rubric]]) -> list[Turns]:
        return [self.question(*each) for each in judged]

    def question(self, prompt: Sequence[Message], response: str, rubric: Rubric) -> Turns:
        yes, no = ("yes", "no") if self.language == "en" else ("是", "否")
        return question_of(
            template_of(prompt_file("checklist", self.language), FILLED),
            prompt,
            [("response", response)],
            marked=[item.text for item in rubric],
            items="\n".join(f"{i}. {_line(item.text)}" for i, item in enumerate(rubric, 1)),
            form="\n".join(f"{i}: <{yes} | {no}>" for i in range(1, len(rubric) + 1)),
        )


def _line(text: str) -> str:
    return " ".join(neutral(text).split())


@cache
def item_field(place: int) -> StatedField[bool]:
    """Return the field of a criterion by its number, from 1."""
    return StatedField(
        str(place), rf"(?:(?:item|criterion|标准|第)\s*#?)?{place}\s*[条项]?\s*[.)、]?", as_yes
    )


def _verdict(rubric: Rubric, said: Mapping[str, bool] | NoVerdict) -> RubricVerdict | NoVerdict:
    if isinstance(said, NoVerdict):
        return said
    beyond = [name for name in said if int(name) > len(rubric)]
    if beyond:
        told = "the answer has a verdict on criterion {place} of {count}"
        return NoVerdict(message(told, place=beyond[0], count=len(rubric)))
    return RubricVerdict(rubric, tuple(said.get(str(place)) for place in range(1, len(rubric) + 1)))


@dataclass(frozen=True, slots=True)
class ItemRate:
    """Counts of a criterion over the responses that were checked against it."""

    text: str
    met: int
    of: int  # responses with a verdict on it

    @property
    def flag(self) -> Literal["", "always", "never"]:
        """Name a criterion that tells no response from another."""
        if self.of < SEEN or 0 < self.met < self.of:
            return ""
        return "always" if self.met else "never"


def pass_rates(verdicts: Sequence[RubricVerdict | NoVerdict]) -> list[ItemRate]:
    """Count each criterion, by its text, over all responses that were checked against it."""
    counts: dict[str, list[int]] = {}
    for verdict in verdicts:
        if isinstance(verdict, NoVerdict):
            continue
        for item, met in zip(verdict.rubric, verdict.met, strict=True):
            if met is not None:
                count = counts.setdefault(item.text, [0, 0])
                count[0] += met
                count[1] += 1
    return [ItemRate(text, met, of) for text, (met, of) in counts.items()]
