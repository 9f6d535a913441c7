"""The loop end to end on the tiny model, with people who vote by a rule while it waits."""

import json
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.pipelines.votes.conftest import pair, vote_all

from truing.config.run_folder import read_metrics
from truing.config.votes_loop import load_votes_loop, round_folder
from truing.core.errors import DataError, UsageError
from truing.core.records import Message
from truing.pipelines.votes.loop import read_rounds, run_votes_loop
from truing.pipelines.votes.priorities import item_doubts, open_items
from truing.rewards.model import model_reward
from truing.store.answers import PairAnswer, SafetyAnswer
from truing.store.items import Candidate, NewItem


class Line:
    """A display of steps that shows nothing."""

    def step(self, step, logs):
        pass


@contextmanager
def watch(title, total):
    yield Line()


def better(shown):
    """Prefer the longer response."""
    first, second = (len(one.text) for one in shown.item.responses)
    return PairAnswer("first" if first > second else "second")


@pytest.fixture
def looped(make_store, model_folder, tmp_path):
    """A project of twelve pairs, the recipe of its loop, and what is told."""
    items = [
        pair(f"Why {i}?", ("So." if i % 2 else "It is so, and more.", f"No {'no ' * (i % 5)}"))
        for i in range(12)
    ]
    store = make_store(items)
    content = {
        "votes_loop": {"project": store.place, "new_votes": 4, "rounds": 2},
        "reward": {
            "policy": str(model_folder),
            "lora": {"r": 4},
            "optim": {"learning_rate": 1e-3, "items_per_step": 2, "epochs": 1},
            "dtype": "float32",
            "tokens_per_pass": 128,
        },
        "output": str(tmp_path / "loop"),
    }
    path = tmp_path / "loop.json"
    path.write_text(json.dumps(content), encoding="utf-8")
    return store, path


def test_votes_train_a_reward_model_whose_doubt_is_voted_on_next(looped):
    store, path = looped
    told, waits = [], []

    def wait(seconds):
        """Let a person vote on what lies first, in place of time."""
        waits.append(seconds)
        vote_all(store, f"person {len(waits)}", better, most=4)

    rounds = run_votes_loop(load_votes_loop(path, []), told.append, watch, wait=wait)
    assert [(one.number, one.votes, one.ordered) for one in rounds] == [(1, 4, 8), (2, 8, 4)]
    assert waits == [5.0, 5.0]
    assert any("4 items that lack votes stand by doubt" in line for line in told)
    output = load_votes_loop(path, []).output
    assert read_rounds(Path(output) / "rounds.json") == rounds
    assert read_metrics(Path(round_folder(output, 2)))[-1]["step"] == 4  # eight votes, two a step
    # The next person gets the open items in the order of the last model's doubt.
    reward = model_reward(None, told.append, path=round_folder(output, 2), device="cpu")
    by_doubt = [one.item for one in item_doubts(open_items(store), reward).found]
    assert vote_all(store, "last", better) == by_doubt


def test_a_round_that_was_stopped_goes_on_with_the_votes_it_began_with(looped):
    store, path = looped
    vote_all(store, "ann", better, most=4)
    recipe = load_votes_loop(path, ["votes_loop.rounds=1"])

    class Stopped(Exception):
        pass

    def stop(*given, **named):
        raise Stopped

    with pytest.raises(Stopped):
        run_votes_loop(recipe, lambda line: None, stop)
    vote_all(store, "bob", better, most=4)
    (one,) = run_votes_loop(recipe, lambda line: None, watch)
    assert (one.votes, one.ordered) == (4, 4)
    assert read_metrics(Path(round_folder(recipe.output, 1)))[-1]["step"] == 2
    assert run_votes_loop(recipe, lambda line: None, stop) == [one]  # nothing is left to do


def test_a_loop_learns_from_the_last_votes_and_ends_where_no_item_lacks_any(looped):
    store, path = looped
    vote_all(store, "ann", better)
    (one,) = run_votes_loop(load_votes_loop(path, []), lambda line: None, watch)
    assert (one.votes, one.ordered) == (sum(item.votes for item in store.items()), 0)


def test_a_project_that_compares_nothing_or_is_not_there_is_an_error(looped, make_store):
    _, path = looped
    with pytest.raises(UsageError, match="there is no project"):
        run_votes_loop(load_votes_loop(path, ["votes_loop.project=none.db"]), print, watch)
    store = make_store([NewItem((Message("user", "q"),), (Candidate("a"),), "safety")], kinds=("safety",))
    vote_all(store, "ann", lambda shown: SafetyAnswer(("safe",)))
    with pytest.raises(DataError, match="compares no responses"):
        run_votes_loop(load_votes_loop(path, [f"votes_loop.project={store.place}"]), print, watch)
