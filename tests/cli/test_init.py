"""`truing init` in an empty folder: a recipe and rows, and what it says where it cannot write them."""

from pathlib import Path

import pytest

from truing.pipelines.starter import METHODS


def test_methods_are_listed_in_a_line_each(here, tmp_path: Path):
    done = here("init")
    assert done.returncode == 0, done.stderr
    assert [line.split()[0] for line in done.stdout.splitlines()] == list(METHODS)
    assert "next: truing init dpo" in done.stderr
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("method", ["kto", "reward", "grpo"])
def test_what_is_written_passes_the_check(here, tmp_path: Path, model_folder: Path, method: str):
    done = here("init", method, "--model", model_folder)
    assert done.returncode == 0, done.stderr
    assert f"next: truing check {method}.yaml" in done.stderr
    checked = here("check", f"{method}.yaml")
    assert checked.returncode == 0, checked.stderr


def test_a_file_that_is_there_stays(here, tmp_path: Path):
    (tmp_path / "dpo.yaml").write_text("mine")
    (tmp_path / "sample_preferences.jsonl").write_text("mine too")
    done = here("init", "dpo")
    assert done.returncode == 2
    assert "dpo.yaml is there already" in done.stderr
    assert "--output" in done.stderr
    done = here("init", "dpo", "--output", "other.yaml")
    assert done.returncode == 0, done.stderr
    assert "wrote other.yaml\n" in done.stderr
    assert (tmp_path / "sample_preferences.jsonl").read_text() == "mine too"
    assert (tmp_path / "dpo.yaml").read_text() == "mine"


def test_no_method_and_no_folder_are_told_in_one_message(here, tmp_path: Path):
    for args, said in (
        (["dpoo"], "did you mean 'dpo'"),
        (["dpo", "--output", "nowhere/dpo.yaml"], "mkdir -p nowhere"),
    ):
        done = here("init", *args)
        assert done.returncode == 2
        assert said in done.stderr
        assert "Traceback" not in done.stderr
