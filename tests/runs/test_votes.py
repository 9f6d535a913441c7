"""Votes that a recipe names: copied into the run folder once, and the same for every resume."""

from pathlib import Path

import pytest

import truing
from truing.config.recipe import Recipe
from truing.core.errors import ConfigError, DataError, UsageError
from truing.core.files import read_jsonl
from truing.core.records import user
from truing.runs.preflight import require_possible
from truing.runs.votes import shared_votes, with_kept_votes
from truing.store.answers import PairAnswer
from truing.store.items import Candidate, NewItem
from truing.store.people import PersonRole
from truing.store.project import open_store
from truing.store.votes import NewVote

SMALL = {
    "lora": {"r": 2},
    "optim": {"items_per_step": 3, "max_steps": 1},
    "dtype": "float32",
    "progress": False,
}


def vote(project: Path, count: int) -> str:
    """Let the owner of a project vote on `count` more pairs, and return the project as a recipe names it."""
    with open_store(project) as store:
        owner = next(iter(store.people()), None) or store.add_person("owner", PersonRole.ADMIN)
        start = len(list(store.items()))
        store.add_items(
            NewItem(user(f"say {n}"), (Candidate("no"), Candidate(f"yes {n}")))
            for n in range(start, start + count)
        )
        for shown in store.next_items(owner.id, count):
            store.save(NewVote(owner.id, shown.item.id, PairAnswer("second"), f"key {shown.item.id}"))
    return f"annotate:{project}"


def recipe(source: str, folder: Path, **data: object) -> Recipe:
    return Recipe.model_validate(
        {"method": "dpo", "policy": "p", "output": str(folder), "data": {"train": [source], **data}}
    )


def test_a_run_trains_on_votes_and_its_resume_sees_the_same(model_folder: Path, tmp_path: Path):
    source = vote(tmp_path / "project.db", 6)
    keys = {"method": "dpo", "policy": model_folder, "data": source, "output": tmp_path / "run", **SMALL}
    run = truing.train(**keys)
    copy = run.path / "given/votes-train-1.jsonl"
    found = read_jsonl(copy)
    assert [(row["chosen"], row["rejected"]) for row in found] == [(f"yes {n}", "no") for n in range(6)]
    assert run.metrics[0]["loss"] == pytest.approx(0.693147, abs=1e-5)
    vote(tmp_path / "project.db", 3)
    before = copy.read_bytes()
    again = truing.train(**{**keys, "optim": {**SMALL["optim"], "max_steps": 2}})
    assert [row["step"] for row in again.metrics] == [1, 2]
    assert copy.read_bytes() == before


def test_the_copy_is_read_once_the_project_is_gone(tmp_path: Path):
    asked = recipe(vote(tmp_path / "project.db", 2), tmp_path / "run")
    shared = shared_votes(asked, tmp_path / "run")
    assert shared.data.train == (str(tmp_path / "run/given/votes-train-1.jsonl"),)
    for file in tmp_path.glob("project.db*"):
        file.unlink()
    assert with_kept_votes(asked, tmp_path / "run") == shared
    assert shared_votes(asked, tmp_path / "run") == shared
    require_possible(asked, weights=False)
    with pytest.raises(UsageError, match="no project at"):
        require_possible(recipe(asked.data.train[0], tmp_path / "new"), weights=False)


def test_the_votes_of_another_project_are_not_taken_for_these(tmp_path: Path):
    shared_votes(recipe(vote(tmp_path / "one.db", 1), tmp_path / "run"), tmp_path / "run")
    other = recipe(vote(tmp_path / "two.db", 1), tmp_path / "run")
    with pytest.raises(
        ConfigError, match=r"holds the votes of annotate:.*one\.db, and not of annotate:.*two\.db"
    ):
        shared_votes(other, tmp_path / "run")


def test_files_and_votes_may_stand_side_by_side(tmp_path: Path):
    asked = recipe("rows.jsonl", tmp_path / "run", eval=["more.jsonl", vote(tmp_path / "project.db", 1)])
    found = shared_votes(asked, tmp_path / "run").data
    assert found.train == ("rows.jsonl",)
    assert found.eval == ("more.jsonl", str(tmp_path / "run/given/votes-eval-2.jsonl"))


def test_a_recipe_without_votes_is_itself(tmp_path: Path):
    asked = recipe("rows.jsonl", tmp_path / "run")
    assert shared_votes(asked, tmp_path / "run") is asked
    assert with_kept_votes(asked, tmp_path / "run") is asked


def test_votes_that_give_no_row_leave_no_folder(tmp_path: Path):
    open_store(tmp_path / "project.db").close()
    with pytest.raises(DataError, match="has no votes yet"):
        shared_votes(recipe(f"annotate:{tmp_path}/project.db", tmp_path / "run"), tmp_path / "run")
    assert not (tmp_path / "run").exists()
