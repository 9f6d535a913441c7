"""Result files of other programs, read into one shape; test_outside.py has whole tasks on them."""

import json
from pathlib import Path

import pytest

from truing.core.errors import DataError
from truing.evals.tasks.outside_read import read_inspect, read_lm_eval

RESULTS = {
    "lm_eval_version": "0.4.9",
    "model_name": "tiny",
    "results": {
        "hues": {"alias": "hues", "acc,none": 0.5, "acc_norm,none": 0.75, "acc_norm_stderr,none": 0.1}
    },
    "n-samples": {"hues": {"effective": 4}},
    "higher_is_better": {"hues": {"acc_norm": False}},
}


def test_the_preferred_metric_is_read_with_its_error_and_count(tmp_path: Path):
    path = tmp_path / "results_2024-01-02T03-04-05.1.json"
    path.write_text(json.dumps(RESULTS))
    for given in (path, tmp_path):
        told = read_lm_eval(given, ["hues", "absent"])
        (stated,) = told.tasks.values()
        assert (stated.metric, stated.value, stated.error, stated.n) == ("acc_norm", 0.75, 0.1, 4)
        assert stated.better == "lower" and list(told.known) == ["hues"]
        assert "lm-eval 0.4.9 of tiny" in told.made_by


def test_files_of_another_kind_are_told(tmp_path: Path):
    with pytest.raises(DataError, match=r"has no results_"):
        read_lm_eval(tmp_path, ["hues"])
    (tmp_path / "x.json").write_text("{}")
    for read in (read_lm_eval, read_inspect):
        with pytest.raises(DataError, match=r"x\.json"):
            read(tmp_path / "x.json", ["hues"])
