"""R3–R6, R8–R10: a run that is killed, refused by its disk or damaged ends as the unbroken one.

A save is part of its step: none goes on in the background, so these are all moments there are. `make test`
goes through some of them, `make test-kills` through all.
"""

import errno
import os
import random
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from truing.config.recipe import Recipe
from truing.config.run_folder import RunFolder, read_metrics, read_status
from truing.models import checkpoint
from truing.runs.opening import open_run
from truing.runs.run import run, write_result

from ..file_operations import Child, Operations, in_child
from ..tables import each
from .ends import assert_same

WHOLE = "TRUING_KILLS" in os.environ  # `make test-kills`
STRIDE = 1 if WHOLE else 11  # between the file operations at which a run is killed or refused
KILLS = 50 if WHOLE else 3
pytestmark = pytest.mark.timeout(3 * 3600 if WHOLE else 1800)  # many forks, on a machine that may be busy
REFUSALS = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO)
Attempt = Callable[..., Child]


@pytest.fixture(scope="module")
def attempt(model_folder: Path, pairs_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Attempt:
    """Trains three steps in a folder, in a child of this process, with a file operation that fails or none.

    The rate is so high that the first evaluation is the best: its checkpoint is kept beside the newest alone.
    """
    folder = tmp_path_factory.mktemp("killed")
    recipe = {
        "method": "sft",
        "policy": str(model_folder),
        "data": {"train": str(pairs_file), "eval_fraction": 0.25},
        "evaluate": {"every": 1},
        "optim": {
            "learning_rate": 1.0,
            "items_per_step": 3,
            "epochs": 1,
            "schedule": "constant",
            "warmup": 0,
        },
        "checkpoint": {"every": 1, "keep": 1},
        "dtype": "float32",
        "lora": {"r": 2, "dropout": 0.1},
        "output": str(folder / "run"),
    }
    session = open_run(Recipe.model_validate(recipe))

    def one(path: Path, number: int = 0, refusal: int = 0, watch: Any = ()) -> Child:
        operations = Operations(path, number, refusal)

        def work(facts: dict[str, Any]) -> None:
            operations.watch()
            said: list[str] = facts.setdefault("said", [])
            with RunFolder.open(path) as opened:
                write = lambda done: write_result(session, path / "model", {"step": done.step})  # noqa: E731
                run(session, opened, say=said.append, watch=watch, result=write)
            facts["operations"] = operations.count

        return in_child(work, folder / "told.json")

    return one


@pytest.fixture(scope="module")
def whole(attempt: Attempt, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, int]:
    """The run that nothing breaks, and the number of its file operations."""
    path = tmp_path_factory.mktemp("whole") / "run"
    child = attempt(path)
    assert child.code == 0, child.told
    assert checkpoint.steps_in(path / "checkpoints") == [1, 3], "the best and the newest"
    return path, child.told["operations"]


def moments(most: int) -> range:
    """File operations to fail at: some of all, from the first to the last."""
    return range(1, most + 1, STRIDE)


def files_of(folder: Path) -> dict[str, bytes]:
    return {str(one.relative_to(folder)): one.read_bytes() for one in folder.rglob("*") if one.is_file()}


def require_whole_ones(path: Path) -> None:
    """Require a whole checkpoint once one was saved, and with it that of the best evaluation."""
    newest = checkpoint.newest(path / "checkpoints")
    metrics = path / "metrics.jsonl"
    saved = (
        metrics.exists() and metrics.read_bytes().count(b"\n") > 1
    )  # a step is saved before the next is logged
    assert newest is not None or not saved
    if newest is not None:
        best = checkpoint.read(newest).state["evaluation"]["best_step"]
        assert checkpoint.problem_of(path / "checkpoints" / f"step-{best:06d}") == ""


def require_end(path: Path, whole: Path) -> None:
    assert_same(path, whole)
    assert files_of(path / "model") == files_of(whole / "model")
    left = [one.name for one in path.rglob(".*")]
    assert left == []


def test_r4_r8_killed_at_any_file_operation_a_run_ends_as_the_unbroken_one(
    attempt: Attempt, whole: tuple[Path, int], tmp_path: Path
):
    """Saves, the removal of older checkpoints, logs, the status, the result: whatever the run writes."""
    wanted, most = whole
    assert most > 60
    for number in moments(most):
        path = tmp_path / str(number)
        assert attempt(path, number).code == -signal.SIGKILL, f"operation {number} of {most}"
        require_whole_ones(path)
        saved = len(read_metrics(path)) if (path / "metrics.jsonl").exists() else 0
        again = attempt(path)
        assert again.code == 0, again.told
        resumed = [line for line in again.told["said"] if line.startswith("resuming after step ")]
        assert int(resumed[0].split()[3]) >= saved - 1 if saved > 1 else True, "one save interval at most"
        require_end(path, wanted)


@pytest.mark.parametrize("refusal", REFUSALS, ids=errno.errorcode.get)
def test_r9_refused_at_any_file_operation_a_run_ends_with_5_and_goes_on(
    refusal: int, attempt: Attempt, whole: tuple[Path, int], tmp_path: Path
):
    """From that operation on. The last two, a name that is gone and the lock, may be refused without loss."""
    wanted, most = whole
    for number in moments(most - 2)[REFUSALS.index(refusal) % 3 :: 1 if WHOLE else 3]:
        path = tmp_path / str(number)
        refused = attempt(path, number, refusal)
        told = f"operation {number} of {most}: {refused}"
        assert refused.code == 5, told
        assert os.strerror(refusal) in refused.told["error"], told
        require_whole_ones(path) if path.exists() else None
        if refusal in (errno.ENOSPC, errno.EDQUOT):
            assert list(path.rglob(".*.aside-*")) == [], told
        again = attempt(path)
        assert again.code == 0, again.told
        require_end(path, wanted)


def damaged(path: Path, how: str) -> None:
    """Damage a file as disks and people do."""
    content = path.read_bytes()
    half = len(content) // 2
    match how:
        case "gone":
            path.unlink()
        case "empty":
            path.write_bytes(b"")
        case "cut":
            path.write_bytes(content[:half])
        case _:
            path.write_bytes(content[:half] + bytes([content[half] ^ 4]) + content[half + 1 :])


DAMAGES = ("gone", "empty", "cut", "one bit flipped")
FILES = ("model.safetensors", "optimizer.safetensors", "state.json", "manifest.json")
EVERY_DAMAGE = [(name, how) for name in FILES for how in DAMAGES]


def kill_in_step_3(step: int, logs: object) -> None:
    if step == 3:
        os.kill(os.getpid(), signal.SIGKILL)


@pytest.fixture(scope="module")
def cut(attempt: Attempt, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that was killed in its last step: checkpoints of step 2 and, as the best, of step 1."""
    path = tmp_path_factory.mktemp("cut") / "run"
    assert attempt(path, watch=[kill_in_step_3]).code == -signal.SIGKILL
    assert checkpoint.steps_in(path / "checkpoints") == [1, 2]
    return path


@each("name, how", EVERY_DAMAGE if WHOLE else EVERY_DAMAGE[::5])
def test_r5_r6_a_damaged_newest_checkpoint_is_named_and_the_one_before_taken(
    name: str, how: str, attempt: Attempt, whole: tuple[Path, int], cut: Path, tmp_path: Path
):
    path = tmp_path / f"{name} {how}"
    shutil.copytree(cut, path)
    damaged(path / "checkpoints" / "step-000002" / name, how)
    again = attempt(path)
    assert again.code == 0, again.told
    (line,) = (line for line in again.told["said"] if "a damaged checkpoint is passed over" in line)
    # A digit of a hash that is another now makes the manifest speak of the file that the hash is of.
    named = "" if (name, how) == ("manifest.json", "one bit flipped") else name
    assert f"step-000002/{named}" in line
    assert "resuming after step 1 of 3" in again.told["said"]
    require_end(path, whole[0])


def test_r5_r6_without_any_whole_checkpoint_the_run_ends_with_5(attempt: Attempt, cut: Path, tmp_path: Path):
    path = tmp_path / "run"
    shutil.copytree(cut, path)
    for step, how in ((1, "cut"), (2, "one bit flipped")):
        damaged(path / "checkpoints" / f"step-{step:06d}" / "optimizer.safetensors", how)
    before = files_of(path)
    again = attempt(path)
    assert again.code == 5 and "none of its checkpoints can be read" in again.told["error"]
    logs = ("metrics.jsonl", "checkpoints/step-000001/model.safetensors")
    assert all(files_of(path)[name] == before[name] for name in logs)


def test_r8_a_clock_that_is_set_back_hides_no_newer_checkpoint(
    attempt: Attempt, whole: tuple[Path, int], cut: Path, tmp_path: Path
):
    """The newest checkpoint is dated a year before the other one."""
    path = tmp_path / "run"
    shutil.copytree(cut, path)
    for step, when in ((1, time.time()), (2, time.time() - 365 * 86400)):
        folder = path / "checkpoints" / f"step-{step:06d}"
        for file in (folder, *folder.iterdir()):
            os.utime(file, (when, when))
    again = attempt(path)
    assert again.code == 0 and "resuming after step 2 of 3" in again.told["said"]
    require_end(path, whole[0])


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of four megabytes."""
    disk = tmp_path / "disk"
    disk.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(disk)]
    if subprocess.run(command, check=False, capture_output=True).returncode:
        pytest.skip("mounting a tmpfs is not permitted here")
    try:
        yield disk
    finally:
        subprocess.run(["umount", str(disk)], check=True)


def filled(disk: Path) -> Path:
    """Write a file that leaves no byte free."""
    filler = disk / "filler"
    with filler.open("wb", buffering=0) as file:
        for size in (65536, 4096):
            try:
                while file.write(bytes(size)) == size:
                    pass
            except OSError as error:
                assert error.errno == errno.ENOSPC
    return filler


def test_r9_a_disk_that_others_fill_costs_no_step(
    attempt: Attempt, whole: tuple[Path, int], small_disk: Path
):
    """No room for a line of metrics; then room for that, and not for the two checkpoints of a start."""
    run_folder = small_disk / "run"

    def fill(step: int, logs: object) -> None:
        if step == 2:
            filled(small_disk)

    full = attempt(run_folder, watch=[fill])
    assert full.code == 5
    assert str(run_folder) in full.told["error"] and "are free" in full.told["error"]
    require_whole_ones(run_folder)
    os.truncate(small_disk / "filler", (small_disk / "filler").stat().st_size - 70_000)
    refused = attempt(run_folder)
    assert refused.code == 5 and "needs" in refused.told["error"] and "are free" in refused.told["error"]
    (small_disk / "filler").unlink()
    assert attempt(run_folder).code == 0
    require_end(run_folder, whole[0])


def test_r9_a_disk_that_turns_read_only_is_told_and_the_run_goes_on_later(
    attempt: Attempt, whole: tuple[Path, int], small_disk: Path
):
    run_folder = small_disk / "run"

    def freeze(step: int, logs: object) -> None:
        if step == 2:
            subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)

    frozen = attempt(run_folder, watch=[freeze])
    assert frozen.code == 5 and str(run_folder / "metrics.jsonl") in frozen.told["error"], "the first failure"
    assert "Read-only file system" in frozen.told["error"]
    assert attempt(run_folder).code == 5
    subprocess.run(["mount", "-o", "remount,rw", str(small_disk)], check=True)
    assert attempt(run_folder).code == 0
    require_end(run_folder, whole[0])


def test_r3_r10_killed_at_random_moments_the_same_command_ends_the_run(
    recipe: Callable[..., Path], begun: Callable[..., Any], pairs_file: Path, tmp_path: Path
):
    """Moments of loading, steps, saves and evaluations, with a seed; a checkpoint every three steps."""
    changes: dict[str, Any] = {
        "data": {"train": [str(pairs_file)], "eval_fraction": 0.25},
        "evaluate": {"every": 4},
        "optim": {"learning_rate": 1e-3, "items_per_step": 3, "epochs": 10_000, "max_steps": 20 * KILLS},
        "checkpoint": {"every": 3, "keep": 1},
    }
    env = {"TRUING_CACHE": str(tmp_path / "cache")}
    done = begun("train", recipe("whole.json", **changes, output=str(tmp_path / "whole")), env=env).wait()
    assert done.returncode == 0, done.stderr
    killed, drawn = tmp_path / "killed", random.Random(0)
    path = recipe("killed.json", **changes, output=str(killed))
    for moment in count():
        going = begun("train", path, env=env)
        if moment == KILLS:
            break
        before = len(read_metrics(killed)) if (killed / "metrics.jsonl").exists() else 0
        steps = drawn.randint(0, 8)
        if steps:
            going.until(before // 3 * 3 + steps, killed)
        time.sleep(drawn.random() * (0.05 if steps else 1.0))
        going.send(signal.SIGKILL)
        ended = going.wait()
        assert ended.returncode == -signal.SIGKILL, f"kill {moment} came too late: {ended.stderr}"
        if len(read_metrics(killed)) > 3:
            assert checkpoint.newest(killed / "checkpoints") is not None
    ended = going.wait()
    assert ended.returncode == 0, ended.stderr
    assert_same(killed, tmp_path / "whole")
    status = read_status(killed)
    assert status is not None and status.state == "done"
