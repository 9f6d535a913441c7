"""The items to vote on next: those whose order a reward model doubts most.

A reward model gives the first of two responses the chance p = σ(s₁ - s₂) to be the better one. Its doubt is

    1 - 2 |p - ½|     1 where it cannot tell, 0 where it is sure; of several responses, the pairs' mean

and becomes the item's priority, the highest first. This is uncertainty sampling (Lewis & Gale 1994, SIGIR);
Muldrew et al. 2024 (arXiv:2402.08114) choose pairs of language models so. The doubt of one model does not
tell ignorance from two responses that are equally good: pairs of equals stay on top however often people
vote on their like.

    doubts = item_doubts(open_items(store), model_reward(None, say, path="runs/reward"))
    store.set_priorities({one.item: one.doubt for one in doubts})
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations

from truing.core.doing import Tick
from truing.core.errors import DataError
from truing.core.messages import Sentence, message
from truing.rewards.types import Item, Reward, ScoredItem
from truing.store.items import ItemPurpose, StoredItem
from truing.store.project import ProjectStore

KINDS = ("pair", "ranking")  # questions that compare responses
AT_ONCE = 64  # items that are scored together


@dataclass(frozen=True, slots=True)
class ItemDoubt:
    """An item that lacks votes, and how much a reward model doubts the order of its responses, 0 to 1."""

    item: int
    doubt: float


@dataclass(frozen=True, slots=True)
class Doubts:
    """The doubts of items that lack votes; `failed` are items that the model cannot score, with reasons."""

    found: tuple[ItemDoubt, ...]
    failed: tuple[tuple[int, str], ...]

    @property
    def mean(self) -> float:
        return sum(one.doubt for one in self.found) / len(self.found) if self.found else 0.0

    def line(self) -> Sentence:
        """Say how many items were put in order."""
        said = message(
            "{n} items that lack votes stand by doubt; its mean is {mean:.2f}",
            n=len(self.found),
            mean=self.mean,
        )
        if not self.failed:
            return said
        number, reason = self.failed[0]
        return message(
            "{said}; {n} could not be scored, such as item {item}: {reason}",
            said=said,
            n=len(self.failed),
            item=number,
            reason=reason,
        )


def open_items(store: ProjectStore) -> list[StoredItem]:
    """Return the real items whose question compares responses, that lack votes and are not settled."""
    settled = {vote.item for vote in store.settling_votes()}
    overlap = store.settings.overlap
    return [
        item
        for item in store.items(ItemPurpose.REAL)
        if item.kind in KINDS and item.votes < overlap and item.id not in settled
    ]


def item_doubts(items: Sequence[StoredItem], reward: Reward, seen: Tick = lambda n: None) -> Doubts:
    """Score the responses of all items and return the doubts, the greatest first; `seen` counts items."""
    found: list[ItemDoubt] = []
    failed: list[tuple[int, str]] = []
    for start in range(0, len(items), AT_ONCE):
        some = items[start : start + AT_ONCE]
        flat = [Item(item.prompt, one.text) for item in some for one in item.responses]
        outcomes = iter(reward(flat))
        for item in some:
            mine = [next(outcomes) for _ in item.responses]
            scores = [one.value for one in mine if isinstance(one, ScoredItem)]
            if len(scores) == len(mine):
                found.append(ItemDoubt(item.id, doubt_of(scores)))
            else:
                reasons = [one.reason for one in mine if not isinstance(one, ScoredItem)]
                failed.append((item.id, reasons[0]))
        seen(len(some))
    found.sort(key=lambda one: (-one.doubt, one.item))
    return Doubts(tuple(found), tuple(failed))


def doubt_of(scores: Iterable[float]) -> float:
    """Return the mean of 1 - 2 |σ(sᵢ - sⱼ) - ½| over all pairs of scores, which is 1 - tanh(|sᵢ - sⱼ|/2)."""
    pairs = list(combinations(scores, 2))
    if not pairs:
        raise DataError("one response has no order to doubt", hint="give the scores of two or more responses")
    return sum(1 - math.tanh(abs(one - other) / 2) for one, other in pairs) / len(pairs)


def prioritise(store: ProjectStore, reward: Reward, seen: Tick = lambda n: None) -> Doubts:
    """Set the priority of each item that lacks votes to the reward model's doubt."""
    doubts = item_doubts(open_items(store), reward, seen)
    store.set_priorities({one.item: one.doubt for one in doubts.found})
    return doubts
