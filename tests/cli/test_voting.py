"""`truing annotate stats`, `prioritise` and the loop of `truing run`, as users run them."""

import json
from pathlib import Path

import pytest

from truing.core.records import user
from truing.store.answers import PairAnswer
from truing.store.items import Candidate, NewItem
from truing.store.people import PersonRole
from truing.store.project import open_store
from truing.store.votes import NewVote


@pytest.fixture
def project(tmp_path: Path) -> str:
    """A project of eight pairs, on which two people have voted in part."""
    place = str(tmp_path / "votes.db")
    with open_store(place) as store:
        store.add_items(
            NewItem(user(f"Why {i}?"), (Candidate("So. " * (i + 1), "A"), Candidate("No.", "B")))
            for i in range(8)
        )
        for name in ("ann", "bob"):
            person = store.add_person(name, PersonRole.ANNOTATOR).id
            for shown in store.next_items(person, 3):
                answer = PairAnswer("first" if shown.item.id % 2 else "second")
                store.save(NewVote(person, shown.item.id, answer, f"{name}{shown.item.id}", seconds=3.0))
    return place


def test_stats_are_tables_for_people_and_json_for_programs(here, project):
    told = here("annotate", "stats", project)
    assert told.returncode == 0
    for words in (
        "Votes of project",
        "Agreement on pairs",
        "Models",
        "People",
        "ann",
        "Krippendorff's alpha",
    ):
        assert words in told.stdout
    assert "truing annotate export" in told.stderr
    found = json.loads(here("annotate", "stats", project, "--json").stdout)
    assert (found["items"], found["votes"]) == (8, 6)
    assert {one["name"] for one in found["people"]} == {"ann", "bob"}


def test_stats_of_no_project_or_no_judge_are_one_line(here, project, tmp_path):
    missing = here("annotate", "stats", "none.db")
    assert missing.returncode != 0
    assert "there is no project at none.db" in missing.stderr
    judged = here("annotate", "stats", project, "--judged", tmp_path)
    assert "has no verdicts.jsonl of a judge" in judged.stderr


def test_prioritise_orders_what_lacks_votes(here, project, reward_folder):
    told = here("annotate", "prioritise", project, "--reward-model", reward_folder, "--json")
    assert told.returncode == 0, told.stderr
    found = json.loads(told.stdout)
    doubts = [one["doubt"] for one in found["items"]]
    assert doubts == sorted(doubts, reverse=True)
    with open_store(project) as store:
        open_ = {item.id: item.priority for item in store.items() if not item.votes}
    assert open_ == pytest.approx({one["item"]: one["doubt"] for one in found["items"]})
    assert (
        "2 items that lack votes stand by doubt"
        in here("annotate", "prioritise", project, "--reward-model", reward_folder).stderr
    )


def test_a_loop_runs_from_its_file(here, project, model_folder, tmp_path):
    content = {
        "votes_loop": {"project": project, "new_votes": 4, "rounds": 1},
        "reward": {"policy": str(model_folder), "lora": {"r": 4}, "dtype": "float32", "tokens_per_pass": 128},
        "output": str(tmp_path / "loop"),
    }
    (tmp_path / "loop.json").write_text(json.dumps(content), encoding="utf-8")
    told = here(
        "run", "loop.json", "--set", "reward.optim={items_per_step: 2, epochs: 1, learning_rate: 1e-3}"
    )
    assert told.returncode == 0, told.stderr
    assert "1 rounds done" in told.stderr
    assert (tmp_path / "loop/round-001/model").is_dir()
    assert json.loads((tmp_path / "loop/rounds.json").read_text(encoding="utf-8"))[0]["ordered"] == 2
