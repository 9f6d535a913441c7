"""Rounds of votes, a reward model, and the next items by its doubt, while people vote.

    OUTPUT/rounds.json     a line of each round: the votes it began with, the items that it put in order
    OUTPUT/round-001/      the run of its reward model, with a copy of the votes that it learns from

A round begins when enough votes have come since the last one. A stopped round goes on in its run folder.
"""

import json
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from truing.config.recipe import Recipe
from truing.config.run_folder import RunFolder, RunState, read_status
from truing.config.votes_loop import LoopRecipe, round_folder
from truing.core.doing import Tick
from truing.core.errors import DataError
from truing.core.files import MANIFEST, write_atomic
from truing.core.messages import Say, message
from truing.pipelines.votes.priorities import KINDS, prioritise
from truing.rewards.model import model_reward
from truing.runs.train import StepWatch, train_recipe
from truing.store.items import ItemPurpose
from truing.store.project import ProjectStore, open_store

ROUNDS = "rounds.json"
Wait = Callable[[float], object]


@dataclass(frozen=True, slots=True)
class LoopRound:
    """One round; `ordered` and `doubt` are None until its reward model has put the items in order."""

    number: int
    votes: int  # first looks at real items that stood when it began, without skips
    ordered: int | None = None  # items that lacked votes
    doubt: float | None = None  # their mean

    @property
    def done(self) -> bool:
        return self.ordered is not None


def run_votes_loop(
    recipe: LoopRecipe, say: Say, watch: StepWatch, seen: Tick = lambda n: None, wait: Wait = time.sleep
) -> list[LoopRound]:
    """Run rounds until the last one, or until no item lacks votes and all are learnt; return all rounds.

    Raises UsageError for a project that is not there, DataError for one without pairs or rankings, and the
    errors of a run.
    """
    path = Path(recipe.output) / ROUNDS
    rounds = read_rounds(path)
    with open_store(recipe.plan.project, create=False) as store:
        if not any(item.kind in KINDS for item in store.items(ItemPurpose.REAL)):
            raise DataError(
                message("{project} compares no responses", project=recipe.plan.project),
                hint=message("a reward model learns from pairs and rankings"),
            )
        while _goes_on(recipe, rounds, store):
            if not rounds or rounds[-1].done:
                votes = _wait_for_votes(recipe, rounds, store, say, wait)
                if votes == (rounds[-1].votes if rounds else 0):
                    break  # the last votes were taken back, and no item lacks any
                rounds.append(LoopRound(len(rounds) + 1, votes))
                _write(path, rounds)
            number = rounds[-1].number
            say(message("\nround {number}, from {votes} votes", number=number, votes=rounds[-1].votes))
            run = round_folder(recipe.output, number)
            _train(recipe.reward.model_copy(update={"output": run}), say, watch)
            doubts = prioritise(store, model_reward(None, say, path=run), seen)
            rounds[-1] = replace(rounds[-1], ordered=len(doubts.found), doubt=doubts.mean)
            _write(path, rounds)
            say(doubts.line())
    return rounds


def read_rounds(path: Path) -> list[LoopRound]:
    """Return the rounds that a folder has begun."""
    if not path.exists():
        return []
    return [LoopRound(**row) for row in json.loads(path.read_text(encoding="utf-8"))]


def _write(path: Path, rounds: list[LoopRound]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomic(path, json.dumps([asdict(one) for one in rounds], indent=1))


def _goes_on(recipe: LoopRecipe, rounds: list[LoopRound], store: ProjectStore) -> bool:
    """Return whether a round is unfinished, or another is wanted and finds votes, now or later."""
    if rounds and not rounds[-1].done:
        return True
    if recipe.plan.rounds is not None and len(rounds) >= recipe.plan.rounds:
        return False
    votes, open_ = store.count_real(KINDS)
    return open_ > 0 or votes > (rounds[-1].votes if rounds else 0)


def _wait_for_votes(
    recipe: LoopRecipe, rounds: list[LoopRound], store: ProjectStore, say: Say, wait: Wait
) -> int:
    """Wait until as many votes stand as the next round needs, or no item lacks any; return their number."""
    needed = (rounds[-1].votes if rounds else 0) + recipe.plan.new_votes
    votes, open_ = store.count_real(KINDS)
    if votes < needed and open_:
        said = "{votes} votes stand, the next round begins at {needed}; waiting"
        say(message(said, votes=votes, needed=needed))
    while votes < needed and open_:
        wait(recipe.plan.wait)
        votes, open_ = store.count_real(KINDS)
    return votes


def _train(recipe: Recipe, say: Say, watch: StepWatch) -> None:
    """Train a round's reward model, or go on with it, unless its result is there."""
    run = Path(recipe.output)
    status = read_status(run)
    if status is not None and status.state is RunState.DONE and (run / "model" / MANIFEST).exists():
        return
    with RunFolder.open(run) as folder:
        train_recipe(recipe, folder, say, watch)
