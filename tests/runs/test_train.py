"""A recipe from its file to its result, told in sentences and steps."""

import json
from pathlib import Path

import pytest

from truing.config.run_folder import read_metrics, read_status


def test_the_result_lies_in_the_run_and_what_happened_is_told(train_tracked, tmp_path: Path):
    said = train_tracked(tmp_path / "run", [])
    assert "12 of 12 rows kept, set aside: none" in said
    assert said[-1] == f"12 steps; the result is in {tmp_path / 'run' / 'model'}"
    status = read_status(tmp_path / "run")
    assert status is not None and (status.state, status.step) == ("done", 12)
    assert (tmp_path / "run" / "model" / "config.json").is_file()


def test_a_run_that_was_cut_off_goes_on_with_the_same_numbers(train_tracked, tmp_path: Path):
    train_tracked(tmp_path / "whole", [])
    with pytest.raises(RuntimeError, match="the power fails"):
        train_tracked(tmp_path / "cut", [], cut=6)
    said = train_tracked(tmp_path / "cut", [])
    assert "resuming after step 4 of 12" in said
    whole, cut = ([row["loss"] for row in read_metrics(tmp_path / name)] for name in ("whole", "cut"))
    assert whole == cut and len(whole) == 12
    assert json.loads((tmp_path / "cut" / "status.json").read_text())["state"] == "done"
