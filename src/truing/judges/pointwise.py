"""One response at a time: a judge reads it against a rubric and ends with a score.

    prompt, response -> question with both fenced -> answer -> SCORE: 7 -> 0.67 on the scale 1 to 10

An answer counts if it ends with `SCORE: <number>`, in any dress that `reading.py` knows. Any other answer is
no verdict, and neither is a score outside the scale.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from string import Template

from truing.core.errors import ConfigError
from truing.core.records import Message, Turns
from truing.judges.fields import SCORE_LABEL, score_field
from truing.judges.odds import expected_score
from truing.judges.opinions import Asker, NoVerdict
from truing.judges.question import prompt_file, question_of, template_of
from truing.judges.reading import read_field

TEMPLATE = prompt_file("pointwise")
RUBRIC = prompt_file("rubric")
FILLED = ("mark", "rubric", "low", "high", "conversation", "response")


@dataclass(frozen=True)
class Pointwise:
    """A judge that scores from `low` to `high`, returned as 0 to 1. Raises ConfigError for an empty scale."""

    judge: Asker
    rubric: str
    low: float
    high: float
    template: Template

    def __post_init__(self) -> None:
        if not self.low < self.high:
            raise ConfigError(f"scale is {self.low:g} to {self.high:g}, expected a lower and a higher end")

    def __call__(self, judged: Sequence[tuple[Sequence[Message], str]]) -> list[float | NoVerdict]:
        """Score each (prompt, response) from 0 to 1, or say why there is no score."""
        questions = [self.question(prompt, response) for prompt, response in judged]
        return self.judge.ask(questions, lambda text: read_score(text, self.low, self.high))

    def question(self, prompt: Sequence[Message], response: str) -> Turns:
        """Return the question, the same to the letter for the same prompt and response."""
        return question_of(
            self.template,
            prompt,
            [("response", response)],
            rubric=self.rubric.strip(),
            low=f"{self.low:g}",
            high=f"{self.high:g}",
        )


def read_template(path: Path) -> Template:
    """Read the text of a question with $-names from `FILLED` in it. Raises ConfigError."""
    return template_of(path, FILLED)


def read_score(text: str, low: float, high: float) -> float:
    """Read the score that an answer states, from `low` to `high`, as a number from 0 to 1.

    Where the answer has log-probabilities, the score is the one that they expect.
    """
    field = score_field("score", SCORE_LABEL, low, high)
    score = read_field(text, field)
    expected = expected_score(text, field, score, low, high)
    return ((score if expected is None else expected) - low) / (high - low)
