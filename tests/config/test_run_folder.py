import json
import os
from pathlib import Path
from typing import Any

import pytest

from truing.config import run_folder as runs
from truing.config.run_folder import Resumed, RunFolder, RunState
from truing.core.errors import ConfigError, StorageError

RECIPE = {
    "method": "dpo",
    "policy": "model",
    "lora": {"r": 16},
    "loss": {"name": None, "beta": 0.1},
    "optim": {"epochs": 1.0, "max_steps": 10, "items_per_step": 32, "betas": (0.9, 0.999)},
    "checkpoint": {"every": 100},
    "seed": 0,
}


def changed(**sections: object) -> dict[str, object]:
    """RECIPE with some of the keys of some sections replaced."""
    return {**RECIPE, **{k: {**RECIPE[k], **v} if isinstance(v, dict) else v for k, v in sections.items()}}


def test_status_is_read_back(tmp_path: Path):
    assert runs.read_status(tmp_path) is None
    with RunFolder.open(tmp_path) as folder:
        folder.write_status(RunState.STOPPED, step=7, last_checkpoint="step-7", reason="SIGTERM")
    status = runs.read_status(tmp_path)
    assert status is not None
    assert (status.state, status.reason, status.step) == (RunState.STOPPED, "SIGTERM", 7)
    assert (status.last_checkpoint, status.pid) == ("step-7", os.getpid())
    (tmp_path / runs.STATUS).write_text("{")
    with pytest.raises(StorageError, match=r"status\.json is damaged"):
        runs.read_status(tmp_path)


def test_after_a_rewind_the_log_equals_that_of_an_unbroken_run(tmp_path: Path):
    def log(folder: RunFolder, steps: range) -> None:
        for step in steps:
            folder.log_metrics(step, {"loss": 1 / (step + 3), "kl": float("inf")})
            folder.log_sample(step, {"response": f"text {step}"})

    with RunFolder.open(tmp_path / "unbroken") as folder:
        log(folder, range(1, 10))
    with RunFolder.open(tmp_path / "killed") as folder:
        log(folder, range(1, 8))
        with (folder.path / runs.METRICS).open("ab") as file:
            file.write(b'{"step": 8, "lo')
        folder.rewind(5)
        log(folder, range(6, 10))
    for name in (runs.METRICS, runs.SAMPLES):
        assert (tmp_path / "killed" / name).read_bytes() == (tmp_path / "unbroken" / name).read_bytes()


def test_a_rewind_without_a_checkpoint_empties_the_log(tmp_path: Path):
    with RunFolder.open(tmp_path) as folder:
        folder.rewind(None)
        folder.log_metrics(0, {"loss": 1.0})
        folder.rewind(None)
    assert runs.read_metrics(tmp_path) == []


def test_config_is_written_once_with_versions(tmp_path: Path):
    with RunFolder.open(tmp_path) as folder:
        assert folder.write_config(RECIPE) == Resumed()
        first = (tmp_path / runs.CONFIG).stat().st_mtime_ns
        assert folder.write_config(RECIPE) == Resumed()
        assert (tmp_path / runs.CONFIG).stat().st_mtime_ns == first
    config = runs.read_config(tmp_path)
    assert config is not None
    assert config["recipe"]["optim"]["betas"] == [0.9, 0.999]
    assert set(config["versions"]) >= {"python", "truing", "torch", "transformers"}


def test_accepted_changes_are_recorded_with_the_step_they_began_at(tmp_path: Path):
    with RunFolder.open(tmp_path) as folder:
        folder.write_config(RECIPE)
        folder.write_status(RunState.STOPPED, step=10)
        folder.write_config(changed(optim={"max_steps": 20}))
        with pytest.raises(ConfigError):
            folder.write_config(changed(optim={"max_steps": 20}, loss={"beta": 0.5}))
        folder.write_config(changed(optim={"max_steps": 20}, loss={"beta": 0.5}), ["loss"])
        assert folder.write_config(changed(optim={"max_steps": 20}, loss={"beta": 0.5})) == Resumed()
    config = runs.read_config(tmp_path)
    assert config is not None
    assert config["recipe"]["loss"]["beta"] == 0.5
    assert config["changes"] == [
        {"step": 10, "key": "optim.max_steps", "was": 10, "is": 20},
        {"step": 10, "key": "loss.beta", "was": 0.1, "is": 0.5},
    ]


def recorded(folder: Path) -> dict[str, Any]:
    return json.loads((folder / runs.CONFIG).read_text())


def test_another_version_is_told_once_and_recorded(tmp_path: Path):
    with RunFolder.open(tmp_path) as folder:
        folder.write_config(RECIPE)
        config = recorded(tmp_path)
        config["versions"]["torch"] = "1.0"
        (tmp_path / runs.CONFIG).write_text(json.dumps(config))
        folder.write_status(RunState.STOPPED, step=3)
        (line,) = folder.write_config(RECIPE).told()
        assert line.startswith('going on, though versions.torch: was "1.0", is "')
        assert line.endswith("(the last bits of numbers may differ)")
        assert folder.write_config(RECIPE) == Resumed()
    (change,) = recorded(tmp_path)["changes"]
    assert (change["step"], change["key"], change["was"]) == (3, "versions.torch", "1.0")
    assert recorded(tmp_path)["versions"]["torch"] != "1.0"


def test_a_run_of_a_version_that_recorded_less_goes_on_with_a_word(tmp_path: Path):
    """The facts that it lacks are recorded from there on, and compared the next time."""
    older = {**RECIPE, "resolved": {"dtype": "float32"}}
    now = {**older, "resolved": {"dtype": "float32", "device": "cpu"}, "models": {"policy": {"weights": "a"}}}
    with RunFolder.open(tmp_path) as folder:
        folder.write_config(older)
        (line,) = folder.write_config(now).told()
        assert "this run began before resolved.device, models was recorded" in line
        assert folder.write_config(now) == Resumed()
        with pytest.raises(ConfigError, match=r"models\.policy\.weights: .* \(the files have"):
            folder.write_config({**now, "models": {"policy": {"weights": "b"}}})
