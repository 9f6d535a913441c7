"""`truing data refusals` as users run it: rows, the next command, and an error for what it cannot know."""

import json
from collections.abc import Callable
from pathlib import Path

from tests.redteam.failed import failure, headlines, write
from tests.verbs import Ended


def failures(folder: Path, model: str) -> Path:
    told = {"lineage": {"verb": "red-team", "writers": [{"model": model, "contents": {}}]}}
    rows = [failure(one, "plain", **told) for one in headlines("train", "en", 2)]
    return write(folder / "failures.jsonl", rows)


SHORT = ("--set", "max_new_tokens=3", "--set", "begun=2")


def test_the_model_that_failed_learns_and_the_next_command_is_named(
    here: Callable[..., Ended], tmp_path: Path, model_folder: Path
):
    path = failures(tmp_path, str(model_folder))
    ended = here("data", "refusals", path, *SHORT)
    assert ended.returncode == 0, ended.stderr
    assert "2 refusals of 2 failures" in ended.stderr + ended.stdout
    assert "truing train refusals/train.yaml" in ended.stderr + ended.stdout
    assert {"sft.jsonl", "preferences.jsonl", "retain.jsonl", "report.html"} <= {
        one.name for one in (tmp_path / "refusals").iterdir()
    }


def test_counts_are_printed_as_json(here: Callable[..., Ended], tmp_path: Path, model_folder: Path):
    path = failures(tmp_path, "elsewhere")
    ended = here("data", "refusals", path, "--policy", model_folder, "--balance", 0.5, "--json", *SHORT)
    found = json.loads(ended.stdout)
    assert found["failures"]["used"] == 2
    assert found["balance"]["asked"] == 0.5


def test_rows_that_name_no_model_ask_for_one(here: Callable[..., Ended], tmp_path: Path):
    path = write(tmp_path / "f.jsonl", [{"prompt": "Who earns what?"}])
    ended = here("data", "refusals", path)
    assert ended.returncode == 2
    assert "--policy runs/mine" in ended.stderr
