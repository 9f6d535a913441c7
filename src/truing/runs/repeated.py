"""The work of a step as something that can be done again on some of its rows alone; see `diagnosis.py`."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor

from truing.core.messages import message
from truing.data.packing import PackedBatch
from truing.data.trees import Tree
from truing.models.finite import fault_of
from truing.models.scoring import Scores, Trunk
from truing.objectives.offline import PairObjective, Reference, RetainObjective, UnpairedObjective
from truing.objectives.policy_gradient import ByRole, PerTree, PolicyObjective
from truing.runs.causes import REFERENCE
from truing.runs.crew import Crew
from truing.runs.online_session import OnlineSession
from truing.runs.session import Session
from truing.training.online import Gathered
from truing.training.step import DivergedItems, Objective, accumulate

OTHERS = 4  # rows of other steps, done beside a step of fewer
RowNumbers = Mapping[str, Tensor]  # numbers that a row brings to its loss, by name
Repeat = Callable[[Sequence[int], bool], object]  # items, with a gradient or not; raises DivergedItems


class Work(NamedTuple):
    """The work of a step or an evaluation on its items."""

    items: Sequence[int]
    others: Sequence[int]  # items of other steps, to compare with where the step has few
    again: Repeat
    tree: Callable[[int], Tree]
    place: Callable[[int], str]  # file:line
    given: Callable[[int], RowNumbers]


def work_of(crew: Crew, order: str, step: int) -> Work | None:
    """Return the work of an order; None where it has no rows to do again."""
    session = crew.session
    if isinstance(session, Session):
        return _of_rows(session, step, held_out=order == "evaluate") if order else None
    assert isinstance(session, OnlineSession), "there are no other sessions"
    if order == "learn":
        return _of_responses(session) if session.failed is None else _of_experience(session, session.failed)
    return None


def _again(objective: Objective, passes: Callable[[Sequence[int]], Sequence[PackedBatch]]) -> Repeat:
    return lambda items, backward: accumulate(passes(items), objective, backward=backward)


def _of_rows(session: Session, step: int, *, held_out: bool) -> Work:
    if held_out:
        records = session.held_out_records
        return Work(
            range(len(session.held_out)),
            [],
            _again(session.eval_objective, partial(session.passes, held_out=True)),
            lambda item: session.held_out[item],
            lambda item: records[item].place,
            lambda item: _reference_of(session.eval_objective, session.passes([item], held_out=True)),
        )
    items = session.plan.items_of(step)
    rest = (item for item in range(len(session.train)) if item not in items)
    return Work(
        items,
        [item for item, _ in zip(rest, range(OTHERS - len(items)), strict=False)],
        _again(session.objective, session.passes),
        session.tree,
        lambda item: session.places[item],
        lambda item: _reference_of(session.objective, session.passes([item])),
    )


@torch.no_grad()
def _reference_of(objective: Objective, passes: Sequence[PackedBatch]) -> RowNumbers:
    """Return the reference's log-probabilities of some passes, where the loss has a reference."""
    main = objective.main if isinstance(objective, RetainObjective) else objective
    reference: Reference | None = None
    if isinstance(main, PairObjective | UnpairedObjective):
        reference = main.reference
    learnt = [batch for batch in passes if batch.role in ("learn", "crossed")]
    if reference is None or not learnt:
        return {}
    return {REFERENCE: torch.cat([reference(batch) for batch in learnt])}


def _of_experience(session: OnlineSession, gathered: Gathered) -> Work:
    objective = gathered.objective
    policy = objective.parts["learn"] if isinstance(objective, ByRole) else objective
    assert isinstance(policy, PolicyObjective), "every online method learns a policy"
    experience = policy.experience
    passes = partial(session.teacher.passes, experience)
    known = {REFERENCE: experience.reference}
    if _finite(experience.old) and _finite(experience.values):
        known |= {"advantages": experience.advantages, "log-probabilities of the sampler": experience.sampler}
        again = _again(objective, passes)
    else:  # the policy's own numbers went wrong before the loss
        again = _scoring(session, passes)
    return Work(
        list(experience.trees),
        [],
        again,
        lambda item: experience.trees[item],
        lambda item: session.places[item],
        lambda item: {name: one[item] for name, one in known.items() if one is not None},
    )


def _finite(numbers: PerTree | None) -> bool:
    return numbers is None or all(bool(one.isfinite().all()) for one in numbers.values())


def _scoring(session: OnlineSession, passes: Callable[[Sequence[int]], Sequence[PackedBatch]]) -> Repeat:
    """Return the scoring of responses by the policy and the critic, without a loss."""
    trunks: dict[str, Trunk] = dict(zip(("learn", "value"), session.trunks, strict=False))

    @torch.no_grad()
    def score(items: Sequence[int], backward: bool) -> None:
        for batch in passes(items):
            trunk = trunks[batch.role]
            found = trunk(batch)
            if not (found.logps if isinstance(found, Scores) else found).isfinite().all():
                first = "" if trunk.sharded else fault_of(trunk, partial(trunk, batch))
                raise DivergedItems(message("the numbers of responses are not finite"), items, first=first)

    return score


def _of_responses(session: OnlineSession) -> Work:
    """Return the drawing of a step's responses, which ended before anything was learnt."""
    step, size = session.step, session.group_size

    def draw(items: Sequence[int], backward: bool) -> None:
        session.refresh(step - 1)
        session.draw(session.train, items, step, size)

    return Work(
        session.plan.items_of(step),
        [],
        draw,
        lambda item: session.train[item].tree,
        lambda item: session.places[item],
        lambda item: {},
    )
