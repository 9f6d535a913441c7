"""Two responses at a time: a judge names the better one, and is asked again with their places swapped.

    prompt, a, b -> question with a first and question with b first -> VERDICT: A, VERDICT: B -> a wins: 1.0

Judges favour a place (arXiv:2306.05685). A judge that names the same place both times contradicts itself, and
its two verdicts cancel out to a half. An answer counts if it ends with `VERDICT: A`, `VERDICT: B` or
`VERDICT: TIE`, in any dress that `reading.py` knows. Any other answer is no verdict.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from string import Template
from typing import NamedTuple

from truing.core.errors import ConfigError
from truing.core.records import Message, Turns
from truing.judges import pointwise
from truing.judges.fields import VERDICT, Verdict
from truing.judges.odds import begins_verdict, first_wins, odds
from truing.judges.opinions import Asker, NoVerdict
from truing.judges.question import prompt_file, question_of
from truing.judges.reading import read_field

TEMPLATE = prompt_file("pairwise")
OF_A_SCORE = ("low", "high")  # names that only the template of a score may show
TURNED = 0.25  # share of verdicts that change with the places, from which a judge is said to go by places

JudgedPair = tuple[Sequence[Message], str, str]  # prompt, response a, response b

WORTH = {Verdict.FIRST: 1.0, Verdict.TIE: 0.5, Verdict.SECOND: 0.0}  # to the response in the first place


class WeighedVerdict(NamedTuple):
    """A verdict, and the probability that the first response is better where a server told it."""

    verdict: Verdict
    first_wins: float | None


@dataclass(frozen=True, slots=True)
class Comparison:
    """The verdicts of a judge on responses a and b in both orders."""

    a_first: Verdict | NoVerdict
    b_first: Verdict | NoVerdict
    asked: bool = True  # False: the texts are equal
    # The probability that the response in the first place is better; None without log-probabilities.
    a_first_wins: float | None = None
    b_first_wins: float | None = None

    @property
    def opinion(self) -> float | NoVerdict:
        """Return the mean of both orders (1: a is better, 0: b is, ½: a tie), or why there is none."""
        if isinstance(self.a_first, NoVerdict) or isinstance(self.b_first, NoVerdict):
            orders = {"a": self.a_first, "b": self.b_first}
            failed = [
                f"with {name} first: {o.reason}" for name, o in orders.items() if isinstance(o, NoVerdict)
            ]
            return NoVerdict("; ".join(failed))
        return (WORTH[self.a_first] + 1.0 - WORTH[self.b_first]) / 2

    @property
    def probability(self) -> float | NoVerdict:
        """Return the probability that a is better, the mean of both orders; a verdict alone is certain."""
        if isinstance(self.a_first, NoVerdict) or isinstance(self.b_first, NoVerdict):
            return self.opinion
        there = WORTH[self.a_first] if self.a_first_wins is None else self.a_first_wins
        back = WORTH[self.b_first] if self.b_first_wins is None else self.b_first_wins
        return (there + 1.0 - back) / 2

    @property
    def consistent(self) -> bool | None:
        """Tell whether both orders agree on a and b; None where an order has no verdict."""
        if isinstance(self.a_first, NoVerdict) or isinstance(self.b_first, NoVerdict):
            return None
        return WORTH[self.a_first] == 1.0 - WORTH[self.b_first]


@dataclass(frozen=True, slots=True)
class Agreement:
    """Counts of comparisons by the agreement of a judge's two orders; each comparison is counted once."""

    consistent: int  # both orders name the same response as the better one
    ties: int  # both orders say tie
    contradicting: int  # the orders differ
    errors: int  # one order or both have no verdict
    equal: int  # not asked: the texts are equal
    first: int = 0  # of the contradicting ones, those that name the first place both times
    second: int = 0  # or the second

    @property
    def position_bias(self) -> float | None:
        """Return the share of contradictions among comparisons with two verdicts; None without any."""
        whole = self.consistent + self.ties + self.contradicting
        return self.contradicting / whole if whole else None


def agreement(comparisons: Sequence[Comparison]) -> Agreement:
    asked = [each for each in comparisons if each.asked]
    agreed = [each for each in asked if each.consistent]
    ties = sum(each.a_first is Verdict.TIE for each in agreed)
    return Agreement(
        consistent=len(agreed) - ties,
        ties=ties,
        contradicting=sum(each.consistent is False for each in asked),
        errors=sum(each.consistent is None for each in asked),
        equal=len(comparisons) - len(asked),
        first=sum(each.a_first is each.b_first is Verdict.FIRST for each in asked),
        second=sum(each.a_first is each.b_first is Verdict.SECOND for each in asked),
    )


@dataclass(frozen=True)
class Pairwise:
    """A judge that compares. `template` comes from `read_template` of this module."""

    judge: Asker
    rubric: str
    template: Template

    def __call__(self, judged: Sequence[JudgedPair]) -> list[Comparison]:
        """Compare each (prompt, a, b), in order; equal texts are a tie, and the judge is not asked."""
        told = self.judge.ask(self.questions(judged), read_weighed)
        half = len(told) // 2
        found = iter(map(_compared, told[:half], told[half:]))
        same = Comparison(Verdict.TIE, Verdict.TIE, asked=False)
        return [same if a == b else next(found) for _, a, b in judged]

    def questions(self, judged: Sequence[JudgedPair]) -> list[Turns]:
        """Return the questions of all pairs that differ with a first, then of all with b first."""
        asked = [each for each in judged if each[1] != each[2]]
        a_first = [self.question(prompt, a, b) for prompt, a, b in asked]
        return a_first + [self.question(prompt, b, a) for prompt, a, b in asked]

    def question(self, prompt: Sequence[Message], first: str, second: str) -> Turns:
        """Return the question, the same to the letter for the same prompt, responses and places."""
        shown = [("response A", first), ("response B", second)]
        return question_of(self.template, prompt, shown, rubric=self.rubric.strip())


def read_template(path: Path) -> Template:
    """Read the text of a question, where `$response` stands for both responses. Raises ConfigError."""
    template = pointwise.read_template(path)
    for name in template.get_identifiers():
        if name in OF_A_SCORE:
            raise ConfigError(f"the template {path} has ${name}, but a comparison has no scale")
    return template


def _compared(there: WeighedVerdict | NoVerdict, back: WeighedVerdict | NoVerdict) -> Comparison:
    a_first, b_first = (each if isinstance(each, NoVerdict) else each.verdict for each in (there, back))
    a_wins, b_wins = (None if isinstance(each, NoVerdict) else each.first_wins for each in (there, back))
    return Comparison(a_first, b_first, a_first_wins=a_wins, b_first_wins=b_wins)


def read_weighed(text: str) -> WeighedVerdict:
    """Read the verdict that an answer states, and its odds."""
    verdict = read_field(text, VERDICT)
    chances = odds(text, VERDICT, verdict, begins_verdict)
    return WeighedVerdict(verdict, first_wins(chances) if chances else None)


def read_verdict(text: str) -> Verdict:
    """Read the verdict that an answer states."""
    return read_field(text, VERDICT)
