"""`truing feedback` as its help says: rows, a page, a recipe to train with, and the same command goes on."""

import json
from pathlib import Path

import yaml

from truing.core.files import read_jsonl


def test_rows_a_page_and_a_recipe_that_trains(here, model_folder: Path, reward_folder: Path, tmp_path: Path):
    prompts = tmp_path / "p.jsonl"
    prompts.write_text("".join(json.dumps({"prompt": f"{n} apples?"}) + "\n" for n in range(4)))
    command = ["feedback", str(prompts), "--policy", str(model_folder), "--judge", str(reward_folder)]
    command += [
        "--k",
        "3",
        "--set",
        "max_new_tokens=8",
        "--set",
        "sure=0.5",
        "--output",
        str(tmp_path / "out"),
    ]
    done = here(*command)
    assert done.returncode == 0, done.stderr
    rows = read_jsonl(tmp_path / "out" / "rows.jsonl")
    assert {"prompt", "chosen", "rejected", "chosen_probability", "lineage"} <= rows[0].keys()
    assert "next: " in done.stderr + done.stdout
    page = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert "Responses by strength" in page
    told = here("data", "show", str(tmp_path / "out" / "rows.jsonl"), "--why", "1")
    assert "made by truing feedback" in told.stdout
    assert "of p.jsonl (sha256" in told.stdout
    absent = here("data", "show", str(tmp_path / "out" / "rows.jsonl"), "--why", "99")
    assert absent.returncode == 2
    again = here(*command)
    assert again.returncode == 0, again.stderr
    assert read_jsonl(tmp_path / "out" / "rows.jsonl") == rows
    trained = here("train", str(tmp_path / "out" / "train.yaml"), "--set", "optim.max_steps=1")
    assert trained.returncode == 0, trained.stderr
    recipe = yaml.safe_load((tmp_path / "out" / "train.yaml").read_text(encoding="utf-8"))
    assert recipe["method"] == "dpo"


def test_a_request_without_a_judge_is_refused_without_a_traceback(here, model_folder: Path, tmp_path: Path):
    prompts = tmp_path / "p.jsonl"
    prompts.write_text('{"prompt": "One?"}\n')
    command = ["feedback", str(prompts), "--policy", str(model_folder), "--output", str(tmp_path / "out")]
    told = here(*command)
    assert told.returncode == 2
    assert "judge" in told.stderr
    assert "Traceback" not in told.stderr
