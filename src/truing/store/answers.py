"""Answers of people: one tagged record for each kind of question, and JSON in the database.

Responses are told by their own numbers, from 0, never by the side of the screen. To add a kind, write its
record, and add it to `_KINDS` and to `settings.KINDS`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, ClassVar, Literal

from truing.core.errors import UsageError
from truing.core.messages import message

PairChoice = Literal["first", "second", "tie", "both_bad"]
SafetyLabel = Literal["safe", "unsafe", "unsure"]
CHOICES: tuple[PairChoice, ...] = ("first", "second", "tie", "both_bad")
SAFETY_LABELS: tuple[SafetyLabel, ...] = ("safe", "unsafe", "unsure")
STARS = range(1, 6)


@dataclass(frozen=True, slots=True)
class PairAnswer:
    """The better of two responses. `edited` is the better one as the person would write it, if they did."""

    kind: ClassVar = "pair"
    choice: PairChoice
    edited: str | None = None

    def problem(self, responses: int, axes: Sequence[str]) -> str | None:
        if responses != 2:
            return message("a pair has two responses, and the item has {n}", n=responses)
        if self.choice not in CHOICES:
            return message(
                "the choice is {given}: expected one of {known}", given=self.choice, known=", ".join(CHOICES)
            )
        if self.edited is not None and self.choice not in ("first", "second"):
            return message(
                "an edited text belongs to the better response, and the choice is {given}", given=self.choice
            )
        return None


@dataclass(frozen=True, slots=True)
class RankingAnswer:
    """Groups of responses, best first; the responses of a group are equally good."""

    kind: ClassVar = "ranking"
    groups: tuple[tuple[int, ...], ...]

    def problem(self, responses: int, axes: Sequence[str]) -> str | None:
        given = sorted(number for group in self.groups for number in group)
        if given != list(range(responses)) or not all(self.groups):
            return message(
                "the ranking is of {given}: expected each of 0 to {last} once, and no empty group",
                given=", ".join(map(str, given)),
                last=responses - 1,
            )
        return None

    @property
    def ranks(self) -> tuple[int, ...]:
        """The rank of each response, 0 the best; equal where a group ties."""
        found = {number: rank for rank, group in enumerate(self.groups) for number in group}
        return tuple(found[number] for number in range(len(found)))


@dataclass(frozen=True, slots=True)
class RatingsAnswer:
    """For each response, in its own order, the axes of the project with 1 to 5."""

    kind: ClassVar = "ratings"
    ratings: tuple[Mapping[str, int], ...]

    def problem(self, responses: int, axes: Sequence[str]) -> str | None:
        if len(self.ratings) != responses:
            return message("{given} responses are rated: expected {n}", given=len(self.ratings), n=responses)
        for rated in self.ratings:
            if set(rated) != set(axes) or not all(value in STARS for value in rated.values()):
                said = "the ratings are {given}: expected 1 to 5 for each of {axes}"
                return message(said, given=dict(rated), axes=", ".join(axes))
        return None


@dataclass(frozen=True, slots=True)
class SafetyAnswer:
    """For each response, in its own order, a label."""

    kind: ClassVar = "safety"
    labels: tuple[SafetyLabel, ...]

    def problem(self, responses: int, axes: Sequence[str]) -> str | None:
        if len(self.labels) != responses or not set(self.labels) <= set(SAFETY_LABELS):
            return message(
                "the labels are {given}: expected {n}, each one of {known}",
                given=", ".join(self.labels),
                n=responses,
                known=", ".join(SAFETY_LABELS),
            )
        return None


@dataclass(frozen=True, slots=True)
class EditAnswer:
    """A response as the person would have it."""

    kind: ClassVar = "edit"
    response: int
    text: str

    def problem(self, responses: int, axes: Sequence[str]) -> str | None:
        if self.response not in range(responses):
            return message(
                "the edited response is {given}: expected 0 to {last}",
                given=self.response,
                last=responses - 1,
            )
        return None if self.text.strip() else message("the edited text is empty")


@dataclass(frozen=True, slots=True)
class SkipAnswer:
    """No answer, and why."""

    kind: ClassVar = "skip"
    reason: str = field(default="")

    def problem(self, responses: int, axes: Sequence[str]) -> str | None:
        return None


VoteAnswer = PairAnswer | RankingAnswer | RatingsAnswer | SafetyAnswer | EditAnswer | SkipAnswer
_KINDS: dict[str, type[VoteAnswer]] = {
    record.kind: record
    for record in (PairAnswer, RankingAnswer, RatingsAnswer, SafetyAnswer, EditAnswer, SkipAnswer)
}


def as_row(answer: VoteAnswer) -> dict[str, Any]:
    """Return an answer as a JSON object with its `kind`."""
    return {"kind": answer.kind, **asdict(answer)}


def read_answer(row: Mapping[str, Any]) -> VoteAnswer:
    """Return the answer that `as_row` wrote. Raises UsageError for any other object."""
    fields = {name: _frozen(value) for name, value in row.items() if name != "kind"}
    try:
        return _KINDS[row["kind"]](**fields)
    except (KeyError, TypeError) as error:
        said = message("an answer {given} cannot be read: {error}", given=dict(row), error=error)
        raise UsageError(
            said, hint=message("an answer has a kind: {kinds}", kinds=", ".join(_KINDS))
        ) from error


def compared(answer: VoteAnswer | None) -> object:
    """Return the part of an answer that two people must share to agree: all but a text written beside it."""
    match answer:
        case PairAnswer():
            return replace(answer, edited=None)
        case RankingAnswer():
            return answer.ranks  # a group is the same in any order
        case _:
            return answer


def differ(answers: Sequence[VoteAnswer]) -> bool:
    """Tell whether two of some answers disagree."""
    return any(compared(one) != compared(answers[0]) for one in answers)


def problem_of(answer: VoteAnswer, kind: str, responses: int, axes: Sequence[str]) -> str | None:
    """Return why an answer is none to a question of `kind` on some responses, or None where it is one."""
    if answer.kind != kind:
        return message("it is of kind {given}, and the item asks for {kind}", given=answer.kind, kind=kind)
    return answer.problem(responses, axes)


def _frozen(value: Any) -> Any:
    return tuple(_frozen(each) for each in value) if isinstance(value, list) else value
