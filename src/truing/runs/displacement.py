"""Preferred responses that lose likelihood: the pairs that drive this, and the term that stops it.

session, step -> drivers: "pairs.jsonl:7 (-41 nats, 97% alike), …"
"""

import difflib
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import chain

import torch

from truing.data.trees import Tree
from truing.models.scoring import without_dropout
from truing.models.world import world
from truing.objectives.offline import PairObjective, RetainObjective
from truing.runs.session import Session
from truing.training.health_rules import SaidPart, part
from truing.training.step import Objective

HELD = 1.0  # weight of the likelihood term that is switched on
RECENT = 64  # pairs that are looked at
NAMED = 3


@dataclass(frozen=True)
class Driver:
    """A pair whose chosen response has lost likelihood."""

    place: str  # file:line
    nats: float  # what it has gained since the reference, below 0
    alike: float  # share of tokens that its two responses have in common, in order

    @property
    def told(self) -> SaidPart:
        said = "{place} ({nats:.0f} nats, {alike:.0%} alike)"
        return part(said, place=self.place, nats=self.nats, alike=self.alike)


def likeness(tree: Tree) -> float:
    """Return 2 x common tokens / all tokens of a pair's two responses, as difflib matches them."""
    chosen, rejected = (list(branch.tokens) for branch in tree.branches)
    return difflib.SequenceMatcher(None, chosen, rejected, autojunk=False).ratio()


@torch.no_grad()
def drivers(session: Session, step: int) -> list[Driver]:
    """Find the newest pairs up to `step` whose chosen response has lost likelihood, the largest fall first.

    Returns no pairs where the loss has no reference to compare with.
    """
    objective = _pairs(session.objective)
    if objective is None or objective.reference is None:
        return []
    items: dict[int, None] = {}
    for at in range(step, max(0, step - RECENT), -1):
        items |= dict.fromkeys(item for item in session.plan.items_of(at) if item < len(session.train))
        if len(items) >= RECENT:
            break
    found = []
    with without_dropout(objective.scorer):
        for batch in session.passes(list(items)[:RECENT]):
            if batch.role != "learn":
                continue
            given = objective.given(batch, objective.score(batch))
            if batch.blank:
                continue
            gained = (given["policy"].chosen - given["ref"].chosen).tolist()
            lost = [(item, nats) for item, nats in zip(batch.items, gained, strict=True) if nats < 0]
            found += [Driver(session.places[i], nats, likeness(session.train[i])) for i, nats in lost]
    return sorted(chain(*world().gather(found)), key=lambda driver: driver.nats)


def told(found: Sequence[Driver]) -> list[SaidPart]:
    """Put the drivers into words; return no words for no drivers."""
    if not found:
        return []
    typical = statistics.median(driver.alike for driver in found)
    parts = [part("; most of all "), found[0].told]
    for driver in found[1:NAMED]:
        parts += [part(", "), driver.told]
    return [*parts, part("; the responses of such pairs are {typical:.0%} alike", typical=typical)]


def _pairs(objective: Objective) -> PairObjective | None:
    main = objective.main if isinstance(objective, RetainObjective) else objective
    return main if isinstance(main, PairObjective) else None


def can_hold(session: Session) -> bool:
    """Tell whether a likelihood term of chosen responses can be switched on, and is not on already."""
    main = _pairs(session.objective)
    return main is not None and main.sft_weight == 0


def hold(session: Session) -> None:
    """Switch on the likelihood term for training; evaluation still measures the loss of the recipe."""
    main = _pairs(session.objective)
    assert main is not None
    held = replace(main, sft_weight=HELD, sft_on="response")
    whole = session.objective
    session.objective = replace(whole, main=held) if isinstance(whole, RetainObjective) else held
