"""`truing.feedback` from Python: twice the same, rows to train on, a judge that is a function."""

from pathlib import Path

import pytest

import truing


def longer(prompts: list, responses: list[str], others: list[str]) -> list[float]:
    pairs = zip(responses, others, strict=True)
    return [0.5 if len(a) == len(b) else float(len(a) > len(b)) for a, b in pairs]


def test_called_twice_the_rows_are_the_same(model_folder: Path, reward_folder: Path, tmp_path: Path):
    how = {"judge": str(reward_folder), "k": 3, "max_new_tokens": 8, "sure": 0.5, "output": tmp_path / "out"}
    made = truing.feedback(["one", "two"], str(model_folder), **how)
    assert made.rows == truing.feedback(["one", "two"], str(model_folder), **how).rows
    assert made.pairs["compared"] == sum(n for name, n in made.pairs.items() if name != "compared")
    assert (made.path / "report.html").is_file()
    assert "compared" in made._repr_html_()
    with pytest.raises(truing.TruingError, match="other rows"):
        truing.feedback(["three"], str(model_folder), **how)


def test_a_judge_by_name_and_rows_that_train(model_folder: Path, tmp_path: Path):
    how = {"k": 4, "max_new_tokens": 8, "sure": 0.5, "select": "all_pairs", "output": tmp_path / "out"}
    made = truing.feedback(["one", "two"], str(model_folder), judge=f"{__name__}:longer", **how)
    assert made.rows
    assert all(len(row["chosen"]) > len(row["rejected"]) for row in made.rows)
    run = truing.train(
        method="dpo",
        policy=str(model_folder),
        data=made.rows,
        lora={"r": 2},
        optim={"max_steps": 1},
        output=str(tmp_path / "run"),
    )
    assert run.metrics
