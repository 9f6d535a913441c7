"""Ends of a run: done, stopped, or failed, each with a whole checkpoint if there can be one."""

import signal
from pathlib import Path

import pytest

from truing.config.recipe import Recipe
from truing.config.run_folder import RunFolder, ask_to_stop, read_status
from truing.core.errors import Stopped
from truing.runs.run import Finished, run, write_result
from truing.runs.session import open_session


@pytest.fixture
def trained(model_folder: Path, pairs_file: Path, tmp_path: Path):
    def go(watch=(), **options) -> Finished:
        recipe = {
            "method": "sft",
            "policy": str(model_folder),
            "data": {"train": str(pairs_file), "eval_fraction": 0.25},
            "optim": {
                "learning_rate": 0.5,
                "items_per_step": 3,
                "epochs": 2,
                "schedule": "constant",
                "warmup": 0,
            },
            "evaluate": {"every": 1},
            "dtype": "float32",
            "lora": {"r": 2},
            "output": str(tmp_path / "run"),
        }
        with RunFolder.open(tmp_path / "run") as folder:
            return run(open_session(Recipe.model_validate(recipe)), folder, watch=watch, **options)

    return go


def status(tmp_path: Path):
    found = read_status(tmp_path / "run")
    assert found is not None
    return found


def test_the_run_is_done_once_its_result_is_written(trained, tmp_path: Path):
    seen: list[str] = []
    finished = trained(result=lambda done: seen.append(status(tmp_path).state))
    assert seen == ["running"] and status(tmp_path).state == "done"
    assert finished.step == 6 and finished.checkpoint.is_dir()
    assert finished.best_step is not None and finished.note == ""


def test_a_signal_leaves_a_checkpoint_and_the_reason(trained, tmp_path: Path):
    def interrupt(step: int, logs) -> None:
        if step == 2:
            signal.raise_signal(signal.SIGTERM)

    with pytest.raises(Stopped) as caught:
        trained([interrupt])
    assert caught.value.exit_code == 143
    assert (status(tmp_path).state, status(tmp_path).step) == ("stopped", 2)
    said: list[str] = []
    trained(say=said.append)
    assert "resuming after step 2 of 6" in said


def test_a_file_in_the_folder_stops_the_run_and_is_gone_when_it_goes_on(trained, tmp_path: Path):
    def ask(step: int, logs) -> None:
        if step == 2:
            ask_to_stop(tmp_path / "run")

    with pytest.raises(Stopped) as caught:
        trained([ask])
    assert caught.value.exit_code == 9
    found = status(tmp_path)
    assert (found.state, found.step, found.reason) == ("stopped", 2, "stopped on request after step 2")
    assert found.last_checkpoint == "step-000002"
    said: list[str] = []
    assert trained(say=said.append).step == 6
    assert "resuming after step 2 of 6" in said and not (tmp_path / "run" / "stop").exists()


def test_a_failure_is_told_in_the_status_and_raised(trained, tmp_path: Path):
    def fail(step: int, logs) -> None:
        raise ZeroDivisionError("mine")

    with pytest.raises(ZeroDivisionError):
        trained([fail])
    assert (status(tmp_path).state, status(tmp_path).reason) == ("failed", "ZeroDivisionError: mine")


def test_a_result_names_its_method_and_its_base(model_folder: Path, pairs_file: Path, tmp_path: Path):
    content = {
        "method": "sft",
        "policy": str(model_folder),
        "data": {"train": str(pairs_file)},
        "lora": {"r": 2},
    }
    session = open_session(Recipe.model_validate(content | {"dtype": "float32"}))
    target = write_result(session, tmp_path / "model", {"step": 3})
    card = (target / "README.md").read_text()
    assert "| method | sft |" in card and "| step | 3 |" in card
    assert (target / "adapter_model.safetensors").is_file()
