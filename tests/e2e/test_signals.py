"""S1, S2 and R11 of a run: signals in each of its phases, twice, and a second process at its folder.

A process waits at the first call of a function of the phase, gets its signal there, and goes on. The same
folder meets one phase after another, until a last command ends the run like one that nobody stopped.
"""

import json
import os
import resource
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from signal import SIGINT, SIGTERM

import torch
from safetensors.torch import load_file

TIMES = {"seconds", "tokens_per_second", "rollout/seconds"}
SESSION, ONLINE = "truing.runs.session", "truing.runs.online_session"
# The phase, the function it waits at, the signals, and what its status says: the reason, the last checkpoint.
OFFLINE_PHASES = [
    ("model load", f"{SESSION}:trained_of", [SIGTERM], "by SIGTERM before the first step", None),
    ("tokenizing", f"{SESSION}:read_rows", [SIGINT], "by SIGINT before the first step", None),
    ("reference", f"{SESSION}:references", [SIGTERM], "by SIGTERM before the first step", None),
    ("kept states", f"{SESSION}:Session.keep_frozen", [SIGINT], "by SIGINT before the first step", None),
    ("step", f"{SESSION}:learn", [SIGTERM], "by SIGTERM after step 1", "step-000001"),
    ("evaluation", f"{SESSION}:evaluate", [SIGTERM], "by SIGTERM after step 2", "step-000002"),
    ("evaluation again", f"{SESSION}:evaluate", [SIGINT], "by SIGINT after step 2", "step-000002"),
    ("save", "truing.models.checkpoint:write_tensors", [SIGINT], "by SIGINT after step 2", "step-000002"),
    ("step, twice", f"{SESSION}:learn", [SIGTERM, SIGTERM], "by SIGTERM after step 2", "step-000002"),
    (
        "save, twice",
        "truing.models.checkpoint:write_tensors",
        [SIGTERM, SIGTERM],
        "by SIGTERM after step 4",
        "step-000002",
    ),
    ("rotation", "truing.models.checkpoint:prune", [SIGTERM], "by SIGTERM after step 4", "step-000004"),
    ("load, resumed", f"{SESSION}:trained_of", [SIGTERM], "by SIGTERM after step 4", "step-000004"),
    ("result", "truing.runs.train:write_result", [SIGTERM], "by SIGTERM after step 6", "step-000006"),
]
ONLINE_PHASES = [
    ("rollout", f"{ONLINE}:OnlineSession.gather", [SIGTERM], "by SIGTERM after step 1", "step-000001"),
    ("rollout, twice", f"{ONLINE}:OnlineSession.gather", [SIGTERM, SIGINT], "by SIGINT after step 1", None),
    ("evaluation", f"{ONLINE}:OnlineSession.evaluation", [SIGTERM], "by SIGTERM after step 2", "step-000002"),
]


def tensors_of(run: Path) -> dict[str, torch.Tensor]:
    newest = sorted((run / "checkpoints").glob("step-*"))[-1]
    files = [*newest.glob("*.safetensors"), *(run / "model").glob("*.safetensors")]
    return {f"{file.name} {name}": value for file in files for name, value in load_file(file).items()}


def lines_of(run: Path, name: str) -> list[dict]:
    rows = [json.loads(line) for line in (run / name).read_text().splitlines()]
    return [{key: value for key, value in row.items() if key not in TIMES} for row in rows]


def status_of(run: Path) -> dict:
    return json.loads((run / "status.json").read_text())


def assert_same(ours: Path, theirs: Path, *logs: str) -> None:
    left, right = tensors_of(ours), tensors_of(theirs)
    assert left.keys() == right.keys() and any(name.startswith("optimizer") for name in left)
    assert [name for name in left if not torch.equal(left[name], right[name])] == []
    for name in logs:
        assert lines_of(ours, name) == lines_of(theirs, name)


def stop_in_each(phases: list, begun: Callable, path: Path, run: Path) -> None:
    for phase, place, numbers, reason, checkpoint in phases:
        stopped = begun("train", path, pause=place).stop_paused(*numbers)
        assert stopped.returncode == 128 + numbers[-1], (phase, stopped.stderr)
        assert "Traceback" not in stopped.stderr, phase
        status = status_of(run)
        assert (status["state"], status["reason"]) == ("stopped", f"stopped {reason}"), phase
        assert checkpoint is None or status["last_checkpoint"] == checkpoint, phase
        assert (run / "run.lock").read_bytes() == b"", phase
        assert list(run.glob(".*")) == list((run / "checkpoints").glob(".*")) == [], phase


def test_a_run_stopped_in_each_phase_ends_like_one_that_nobody_stopped(
    recipe, truing, begun, pairs_file, tmp_path, monkeypatch
):
    """S1, S2: from the model's load to the result, by SIGTERM and Ctrl-C, once and twice."""
    monkeypatch.setenv("TRUING_CACHE", str(tmp_path / "cache"))
    changes = {
        "lora": None,
        "data": {"train": [str(pairs_file)], "eval_fraction": 0.25},
        "optim": {"learning_rate": 1e-4, "items_per_step": 3, "epochs": 2},
        "evaluate": {"every": 2},
    }
    broken = recipe("broken.json", **changes, output=str(tmp_path / "broken"))
    stop_in_each(OFFLINE_PHASES, begun, broken, tmp_path / "broken")
    assert not (tmp_path / "broken" / "model").exists()
    again = truing("train", broken)
    assert again.returncode == 0, again.stderr
    assert status_of(tmp_path / "broken")["state"] == "done"
    whole = truing("train", recipe("whole.json", **changes, output=str(tmp_path / "whole")))
    assert whole.returncode == 0, whole.stderr
    assert_same(tmp_path / "broken", tmp_path / "whole", "metrics.jsonl")


def test_an_online_run_stopped_in_a_rollout_ends_like_one_that_nobody_stopped(
    recipe, truing, begun, pairs_file, tmp_path
):
    """S1, S2: the step of the rollout ends, unless a second signal comes."""
    changes = {
        "method": "rloo",
        "data": {"train": [str(pairs_file)], "eval_fraction": 0.25},
        "rewards": [{"name": "numeric"}],
        "sampling": {"max_new_tokens": 4},
        "online": {"group_size": 2},
        "optim": {"learning_rate": 1e-3, "items_per_step": 3, "max_steps": 3},
        "evaluate": {"every": 2},
    }
    broken = recipe("broken.json", **changes, output=str(tmp_path / "broken"))
    stop_in_each(ONLINE_PHASES, begun, broken, tmp_path / "broken")
    again = truing("train", broken)
    assert again.returncode == 0, again.stderr
    whole = truing("train", recipe("whole.json", **changes, output=str(tmp_path / "whole")))
    assert whole.returncode == 0, whole.stderr
    assert_same(tmp_path / "broken", tmp_path / "whole", "metrics.jsonl", "samples.jsonl")


def test_the_folder_is_held_and_a_signal_leaves_a_status_while_torch_is_imported(recipe, started, tmp_path):
    """R11: a second start is told at once. S1: SIGTERM among the imports."""
    command = [sys.executable, "-m", "truing", "train", str(recipe())]
    env = {**os.environ, "TRUING_LANG": "en"}
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=env) as first:
        assert first.stderr is not None
        said = iter(first.stderr.readline, "")
        assert any("importing torch" in line for line in said)
        first.send_signal(signal.SIGSTOP)
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        second = started("train", recipe())
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        first.send_signal(SIGTERM)
        first.send_signal(signal.SIGCONT)
        rest = first.stderr.read()
    assert second.returncode == 2
    assert f"in use by process {first.pid} on {socket.gethostname()}" in second.stderr
    assert "importing torch" not in second.stderr
    seconds = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    assert seconds < 2, "of a processor: the wall of an idle machine"
    assert first.returncode == 143, rest
    assert "Traceback" not in rest and "stopped; checkpoints are kept" in rest
    status = status_of(tmp_path / "run")
    assert (status["state"], status["reason"]) == ("stopped", "stopped by SIGTERM before the first step")
    assert (tmp_path / "run" / "run.lock").read_bytes() == b""
