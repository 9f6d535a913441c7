"""Items and answers between the store, which tells responses by number, and a page, which tells them by slot.

`order[slot]` is the number of the response that stands in a slot. The page never learns the order: somebody
who knew that response 0 is always the same model's would not be blind.
"""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from truing.core.errors import UsageError
from truing.core.messages import message
from truing.core.records import Message
from truing.core.words import t
from truing.store.answers import (
    EditAnswer,
    PairAnswer,
    RankingAnswer,
    RatingsAnswer,
    SafetyAnswer,
    SafetyLabel,
    SkipAnswer,
    VoteAnswer,
)
from truing.store.draw import ShownItem
from truing.store.items import ItemPurpose
from truing.text.shown import SHOWN_CHARACTERS
from truing.web.markdown import text_row

AXES = {"helpful": "Helpful", "harmless": "Harmless", "honest": "Honest"}  # that have a name in each language
SIDES = {0: "First is better", 1: "Second is better", "tie": "Tie", "both_bad": "Both bad"}
LABELS: dict[SafetyLabel, str] = {"safe": "Safe", "unsafe": "Unsafe", "unsure": "Unsure"}
SKIPS = {
    "unknown": "I do not know the subject",
    "unclear": "The prompt is not clear",
    "unreadable": "The responses cannot be read",
    "upsetting": "I do not want to judge this",
    "other": "Another reason",
}

Slot = Annotated[int, Field(ge=0, le=100)]
EditedText = Annotated[str, Field(max_length=200_000)]


class SentBody(BaseModel):
    """Part of what a page sends; a field that nobody reads is refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class SentPair(SentBody):
    """The better of two slots."""

    kind: Literal["pair"]
    side: Literal[0, 1, "tie", "both_bad"]
    edited: EditedText | None = None

    def answer(self, order: Sequence[int]) -> VoteAnswer:
        if self.side in ("tie", "both_bad"):
            return PairAnswer(self.side, self.edited)
        return PairAnswer("first" if order[int(self.side)] == 0 else "second", self.edited)


class SentRanking(SentBody):
    """Groups of slots, best first."""

    kind: Literal["ranking"]
    groups: list[list[Slot]]

    def answer(self, order: Sequence[int]) -> VoteAnswer:
        return RankingAnswer(tuple(tuple(sorted(order[slot] for slot in group)) for group in self.groups))


class SentRatings(SentBody):
    """Ratings of each slot by axis."""

    kind: Literal["ratings"]
    ratings: list[dict[str, int]]

    def answer(self, order: Sequence[int]) -> VoteAnswer:
        return RatingsAnswer(tuple(_by_number(self.ratings, order)))


class SentSafety(SentBody):
    """A label for each slot."""

    kind: Literal["safety"]
    labels: list[SafetyLabel]

    def answer(self, order: Sequence[int]) -> VoteAnswer:
        return SafetyAnswer(tuple(_by_number(self.labels, order)))


class SentEdit(SentBody):
    """The response of a slot as it should be."""

    kind: Literal["edit"]
    slot: Slot
    text: EditedText

    def answer(self, order: Sequence[int]) -> VoteAnswer:
        return EditAnswer(order[self.slot], self.text)


class SentSkip(SentBody):
    """No answer."""

    kind: Literal["skip"]
    reason: Annotated[str, Field(max_length=100)]

    def answer(self, order: Sequence[int]) -> VoteAnswer:
        return SkipAnswer(self.reason)


SentAnswer = SentPair | SentRanking | SentRatings | SentSafety | SentEdit | SentSkip


class SentVote(SentBody):
    """A vote as a page sends it. `key` is the item's: a browser may hold votes of another project."""

    client_key: Annotated[str, Field(min_length=1, max_length=64)]
    item: int
    key: str
    look: int = 1
    answer: Annotated[SentAnswer, Field(discriminator="kind")]
    seconds: Annotated[float, Field(ge=0, le=1e6)] | None = None
    comment: Annotated[str, Field(max_length=20_000)] = ""
    flag: bool = False


class SentHeld(SentBody):
    """A number of items that a page wants, and the numbers of those it has."""

    count: Annotated[int, Field(ge=1, le=10)]
    held: Annotated[tuple[int, ...], Field(max_length=10_000)] = ()


def _by_number(of_slots: Sequence[Any], order: Sequence[int]) -> list[Any]:
    if len(of_slots) != len(order):
        return list(of_slots)  # the store says what is wrong with it
    found: list[Any] = [None] * len(order)
    for slot, value in enumerate(of_slots):
        found[order[slot]] = value
    return found


def answer_of(given: SentAnswer, order: Sequence[int]) -> VoteAnswer:
    """Return an answer by the numbers of responses. Raises UsageError for a slot that holds no response."""
    try:
        return given.answer(order)
    except IndexError:
        raise UsageError(
            message("an answer about more responses than the {n} of the item", n=len(order))
        ) from None


def item_row(shown: ShownItem, axes: Sequence[str]) -> dict[str, Any]:
    """Return an item as the page takes it: its responses in the order of the screen, without their makers."""
    item = shown.item
    return {
        "item": item.id,
        "key": item.key,
        "look": shown.look,
        "kind": item.kind,
        "axes": list(axes) if item.kind == "ratings" else [],
        "training": item.purpose is ItemPurpose.TRAINING,
        "prompt": [_turn_row(turn) for turn in item.prompt],
        "responses": [_response_row(item.responses[number].text) for number in shown.order],
    }


def _turn_row(turn: Message) -> dict[str, Any]:
    return {"role": turn.role, **text_row(turn.content)}


def _response_row(text: str) -> dict[str, Any]:
    whole = len(text) <= SHOWN_CHARACTERS  # what is cut cannot be edited
    row = {**text_row(text), "whole": whole}
    return row | {"source": text} if whole and row["text"] != text else row


def axis_names(axes: Sequence[str]) -> dict[str, str]:
    """Return the names of axes in the language of the page; an axis of the project's own keeps its name."""
    return {axis: t(AXES[axis]) if axis in AXES else axis for axis in axes}


def said_answer(answer: VoteAnswer, order: Sequence[int], axes: Mapping[str, str]) -> str:
    """Return an answer in words, by the numbers that stand on the responses of the screen, from 1."""
    slots = {number: slot for slot, number in enumerate(order)}
    match answer:
        case PairAnswer(choice=("tie" | "both_bad") as choice):
            return t(SIDES[choice])
        case PairAnswer(choice=choice):
            return t(SIDES[slots[0 if choice == "first" else 1]])
        case RankingAnswer(groups=groups):
            return " > ".join(" = ".join(str(slots[number] + 1) for number in group) for group in groups)
        case RatingsAnswer(ratings=ratings):
            return "; ".join(_said_ratings(slot, ratings[number], axes) for slot, number in enumerate(order))
        case SafetyAnswer(labels=labels):
            return ", ".join(f"{slot + 1}: {t(LABELS[labels[number]])}" for slot, number in enumerate(order))
        case EditAnswer(response=number):
            return t("Another text for response {n}", n=slots[number] + 1)
        case SkipAnswer(reason=reason):
            return t("Skipped: {reason}", reason=t(SKIPS.get(reason, reason)))


def _said_ratings(slot: int, rated: Mapping[str, int], axes: Mapping[str, str]) -> str:
    return f"{slot + 1}: " + ", ".join(f"{axes.get(axis, axis)} {value}" for axis, value in rated.items())


def same_answer(one: VoteAnswer, other: VoteAnswer) -> bool:
    """Tell whether two answers are the same, whatever text the better response was changed to."""
    if isinstance(one, PairAnswer) and isinstance(other, PairAnswer):
        return one.choice == other.choice
    if isinstance(one, RankingAnswer) and isinstance(other, RankingAnswer):
        return one.ranks == other.ranks
    return one == other
