"""The numbers of a pass: every prompt is counted once, every principle as often as it was drawn."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from truing.core.messages import Sentence, message
from truing.synthesis.constitution.guard import folded
from truing.synthesis.constitution.revising import Case, CaseEnd
from truing.text.refusal_levels import Level, refusal_level
from truing.text.units import words

FEW = 8  # critiques or revisions below which nothing is said of all of them
ALIKE = 0.5  # share of distinct revisions below which they are called alike
NEVER_FINDS = "The critic never finds anything"
ALWAYS_FINDS = "The critic always finds something"
COLLAPSE = "The revisions are alike"


@dataclass(frozen=True)
class PairCounts:
    """Pairs of answers by what became of them."""

    pairs: int
    kept: int
    equal: int = 0  # in their texts
    empty: int = 0  # without words in the answer to reject
    ties: int = 0
    errors: int = 0

    def __post_init__(self) -> None:
        parts = self.kept + self.equal + self.empty + self.ties + self.errors
        if self.pairs != parts:
            raise ValueError(f"{self.pairs} pairs, but {parts} in their parts")


@dataclass(frozen=True)
class Warned:
    """Something that a reader has to look at before training on the rows."""

    title: str
    saw: Sentence
    advice: str


def outcomes(cases: Sequence[Case]) -> dict[str, Any]:
    """Count prompts by outcome, drops by reason; the parts add up to the prompts."""
    ends = Counter(case.outcome for case in cases)
    dropped = Counter(case.reason for case in cases if case.outcome is CaseEnd.DROPPED)
    found = {
        "prompts": len(cases),
        "revised": ends[CaseEnd.REVISED],
        "unchanged": ends[CaseEnd.UNCHANGED],
        "dropped": dict(dropped.most_common()),
        "errors": ends[CaseEnd.ERROR],
    }
    assert None not in ends, "a case without an outcome"
    return found


def rounds(cases: Sequence[Case]) -> list[dict[str, Any]]:
    """Count each round: prompts that began it, those in which something was found, drops and errors."""
    found = []
    for number in range(max((len(case.rounds) for case in cases), default=0)):
        these = [case.rounds[number] for case in cases if len(case.rounds) > number]
        found.append(
            {
                "round": number + 1,
                "criticised": len(these),
                "found": sum(one.finds is True for one in these),
                "accepted": sum(bool(one.revision) and one.dropped is None for one in these),
                "dropped": dict(Counter(one.dropped.value for one in these if one.dropped).most_common()),
                "errors": sum(bool(one.error) for one in these),
            }
        )
    return found


def principles(cases: Sequence[Case]) -> dict[str, dict[str, int]]:
    """Count how often each principle was drawn, and how often its critique found something."""
    used: Counter[str] = Counter()
    found: Counter[str] = Counter()
    for one in (one for case in cases for one in case.rounds if one.finds is not None):
        used[one.principle.id] += 1
        found[one.principle.id] += one.finds is True
    return {name: {"used": count, "found": found[name]} for name, count in used.most_common()}


def lengths(cases: Sequence[Case]) -> tuple[list[int], list[int]]:
    """Return the words of first answers and of last revisions, of the revised prompts."""
    revised = [case for case in cases if case.outcome is CaseEnd.REVISED]
    return [len(words(case.initial)) for case in revised], [len(words(case.answer)) for case in revised]


def refusals(cases: Sequence[Case]) -> tuple[list[bool], list[bool]]:
    """Tell of each answered prompt whether the first and the last answer decline it, wholly or in part."""
    answered = [case for case in cases if case.initial]
    sides = ([case.initial for case in answered], [case.answer for case in answered])
    before, after = ([refusal_level(text) is not Level.NONE for text in side] for side in sides)
    return before, after


def distinct(cases: Sequence[Case]) -> tuple[int, int]:
    """Count different revisions, and all of them; case and punctuation make no difference."""
    texts = [folded(case.answer) for case in cases if case.outcome is CaseEnd.REVISED]
    return len(set(texts)), len(texts)


def warnings(cases: Sequence[Case]) -> list[Warned]:
    """Return what is wrong with the pass as a whole."""
    critiques = [one.finds for case in cases for one in case.rounds if one.finds is not None]
    found = []
    if len(critiques) >= FEW and not any(critiques):
        saw = message("none of {n} critiques asks for a revision", n=len(critiques))
        advice = "read some transcripts; a stronger critic, or the rule, may be needed"
        found.append(Warned(NEVER_FINDS, saw, advice))
    last = max((len(case.rounds) for case in cases), default=0)
    final = [case.rounds[-1].finds for case in cases if len(case.rounds) == last and last > 1]
    final = [one for one in final if one is not None]
    if len(final) >= FEW and all(final):
        saw = message("all {n} critiques of round {last} ask for a revision again", n=len(final), last=last)
        advice = "read some transcripts; more rounds change answers without end"
        found.append(Warned(ALWAYS_FINDS, saw, advice))
    different, of = distinct(cases)
    if of >= FEW and different < ALIKE * of:
        saw = message("{different} of {n} revisions differ", different=different, n=of)
        advice = "take another reviser or a higher temperature, or a policy will learn one answer to all"
        found.append(Warned(COLLAPSE, saw, advice))
    return found
