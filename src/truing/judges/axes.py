"""Several points of one response: helpful, harmless, honest, or points of one's own, each with its score.

    prompt, response -> question -> HELPFUL: 7, HARMLESS: 9, HONEST: 8 -> {"helpful": 7.0, ...}

All points are asked in one question, which costs a third of three; the scores of one answer lean on each
other, and `apart` asks each point by itself. An answer that leaves a point out has no verdict.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from truing.core.errors import ConfigError
from truing.core.languages import Language
from truing.core.records import Message, Turns
from truing.judges.fields import SCORE_LABEL, score_field
from truing.judges.opinions import Asker, NoVerdict
from truing.judges.question import prompt_file, prompt_text, question_of, template_of
from truing.judges.reading import StatedField, read_fields

FILLED = ("mark", "axes", "scale", "form", "low", "high", "conversation", "response")
OVERALL = "overall"
LABELS = {
    "helpful": "helpful(?:ness)?|有用|有帮助",
    "harmless": "harmless(?:ness)?|无害",
    "honest": "honest(?:y)?|诚实",
    OVERALL: f"overall|总体|{SCORE_LABEL}",
}
SCALES = {"ten": (1.0, 10.0), "likert": (1.0, 5.0)}

AxisScores = Mapping[str, float]  # on the scale that was asked for


def axis_texts(language: Language = "en") -> dict[str, str]:
    """Return the known points and what they ask."""
    lines = prompt_text("axis_texts", language).splitlines()
    return {name: text.strip() for name, _, text in (line.partition(":") for line in lines)} | {
        OVERALL: prompt_text("rubric", language)
    }


def points_of(names: Sequence[str], language: Language = "en") -> dict[str, str]:
    """Return known points by their names. Raises ConfigError for one that is unknown, and for none."""
    texts = axis_texts(language)
    unknown = [name for name in names if name not in texts]
    if unknown or not names:
        told = repr(unknown[0]) if unknown else "none"
        raise ConfigError(f"the points to score are {told}; known: {', '.join(texts)}")
    return {name: texts[name] for name in names}


@dataclass(frozen=True)
class Axes:
    """A judge that scores points, `ten` from 1 to 10 or `likert` from 1 to 5. Raises ConfigError."""

    judge: Asker
    points: Mapping[str, str]  # what each asks, by its name
    scale: str = "ten"
    apart: bool = False
    language: Language = "en"

    def __post_init__(self) -> None:
        if self.scale not in SCALES:
            raise ConfigError(f"the scale is {self.scale!r}, expected one of {', '.join(SCALES)}")

    def __call__(self, judged: Sequence[tuple[Sequence[Message], str]]) -> list[AxisScores | NoVerdict]:
        """Score each (prompt, response), or say why there are no scores."""
        found: list[AxisScores | NoVerdict] = [{} for _ in judged]
        for names in self.asked_together:
            read = partial(self._read, names)
            told = self.judge.ask([self.question(*each, names) for each in judged], read)
            found = [_joined(old, new) for old, new in zip(found, told, strict=True)]
        return found

    @property
    def asked_together(self) -> list[tuple[str, ...]]:
        """Return the names of the points of each question."""
        return [(name,) for name in self.points] if self.apart else [tuple(self.points)]

    def questions(self, judged: Sequence[tuple[Sequence[Message], str]]) -> list[Turns]:
        return [self.question(*each, names) for names in self.asked_together for each in judged]

    def question(self, prompt: Sequence[Message], response: str, names: Sequence[str]) -> Turns:
        low, high = SCALES[self.scale]
        return question_of(
            template_of(prompt_file("axes", self.language), FILLED),
            prompt,
            [("response", response)],
            axes="\n".join(f"{name.upper()}: {self.points[name]}" for name in names),
            scale=prompt_text("likert", self.language) if self.scale == "likert" else "",
            form="\n".join(f"{name.upper()}: …" for name in names),
            low=f"{low:g}",
            high=f"{high:g}",
        )

    def _read(self, names: Sequence[str], text: str) -> AxisScores:
        return read_fields(text, [self.field(name) for name in names])

    def field(self, name: str) -> StatedField[float]:
        return score_field(name, LABELS.get(name, re.escape(name)), *SCALES[self.scale])


def _joined(old: AxisScores | NoVerdict, new: AxisScores | NoVerdict) -> AxisScores | NoVerdict:
    if isinstance(old, NoVerdict) or isinstance(new, NoVerdict):
        return old if isinstance(old, NoVerdict) else new
    return {**old, **new}
