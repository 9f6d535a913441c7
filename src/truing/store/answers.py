"""Answers of people: one tagged record for each kind of question, and JSON in the database.

Responses are told by their own numbers, from 0, never by the side of the screen. To add a kind, write its
record, and add it to `_KINDS` and to `settings.KINDS`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
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
    """The better of two responses. `edited` is the better one as the person would have it, if they wrote it."""

    kind: ClassVar = "pair"
    choice: PairChoice
    edited: str | None = None

    def problem(self, responses: int, axes: Sequence[str]) -> str | None:
        if responses != 2 or self.choice not in CHOICES:
            return (
                f"choice {self.choice!r} of {responses} responses: expected one of {', '.join(CHOICES)} of 2"
            )
        if self.edited is not None and self.choice not in ("first", "second"):
            return f"an edited text with the choice {self.choice!r}: expected first or second"
        return None


@dataclass(frozen=True, slots=True)
class RankingAnswer:
    """Groups of responses, best first; the responses of a group are equally good."""

    kind: ClassVar = "ranking"
    groups: tuple[tuple[int, ...], ...]

    def problem(self, responses: int, axes: Sequence[str]) -> str | None:
        given = sorted(number for group in self.groups for number in group)
        if given != list(range(responses)) or not all(self.groups):
            return f"a ranking of {given}: expected each of 0 to {responses - 1} once, and no empty group"
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
            return f"ratings of {len(self.ratings)} responses: expected {responses}"
        for rated in self.ratings:
            if set(rated) != set(axes) or not all(value in STARS for value in rated.values()):
                return f"ratings {dict(rated)}: expected 1 to 5 for each of {', '.join(axes)}"
        return None


@dataclass(frozen=True, slots=True)
class SafetyAnswer:
    """For each response, in its own order, a label."""

    kind: ClassVar = "safety"
    labels: tuple[SafetyLabel, ...]

    def problem(self, responses: int, axes: Sequence[str]) -> str | None:
        if len(self.labels) != responses or not set(self.labels) <= set(SAFETY_LABELS):
            return f"labels {', '.join(self.labels)}: expected {responses} of {', '.join(SAFETY_LABELS)}"
        return None


@dataclass(frozen=True, slots=True)
class EditAnswer:
    """A response as the person would have it."""

    kind: ClassVar = "edit"
    response: int
    text: str

    def problem(self, responses: int, axes: Sequence[str]) -> str | None:
        if self.response not in range(responses):
            return f"response {self.response}: expected 0 to {responses - 1}"
        return None if self.text.strip() else "an edited text that is empty"


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


def _frozen(value: Any) -> Any:
    return tuple(_frozen(each) for each in value) if isinstance(value, list) else value
