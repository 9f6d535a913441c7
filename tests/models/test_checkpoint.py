"""R4, R5, R6, N1: whatever is killed, cut, flipped or full, a whole checkpoint is chosen or none."""

import json
import logging
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from torch import Tensor, nn

from truing.core.errors import DivergedError, StorageError
from truing.models import checkpoint
from truing.models.checkpoint import newest, optimizer_tensors, problem_of, prune, read, save, steps_in

FILES = ["model.safetensors", "optimizer.safetensors", "state.json", "manifest.json"]
EVERY_FILE = pytest.mark.parametrize("name", FILES)


def tensors(value: float) -> dict[str, dict[str, Tensor]]:
    return {"model": {"w": torch.full((3, 2), value)}, "optimizer": {"exp_avg|w": torch.full((3, 2), value)}}


def value_of(path: Path) -> float:
    return read(path).tensors["model"]["w"][0, 0].item()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Checkpoints of steps 1 and 2, holding ones and twos."""
    for step in (1, 2):
        save(tmp_path, step, tensors(float(step)), {"best": step})
    return tmp_path


def trained_model() -> tuple[nn.Module, torch.optim.AdamW]:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 2).bfloat16())
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.1)
    for _ in range(3):
        optimizer.zero_grad()
        model[1](model[0](torch.randn(5, 3)).bfloat16()).float().square().sum().backward()
        optimizer.step()
    return model, optimizer


# What is saved is what comes back


def test_parameters_and_moments_come_back_bit_for_bit(tmp_path: Path):
    model, optimizer = trained_model()
    names = dict(model.named_parameters())
    save(tmp_path, 3, {"model": names, "optimizer": optimizer_tensors(optimizer, names)}, {"best": 0.1 + 0.2})
    found = read(tmp_path / "step-000003")
    assert (found.step, found.state["best"]) == (3, 0.1 + 0.2)

    torch.manual_seed(99)
    other = nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 2).bfloat16())
    fresh = torch.optim.AdamW(other.parameters(), lr=0.1)
    live = dict(other.named_parameters())
    checkpoint.restore_parameters(live, found.tensors["model"])
    checkpoint.restore_optimizer(fresh, live, found.tensors["optimizer"])
    for name, parameter in names.items():
        assert torch.equal(live[name], parameter)
        mine, theirs = fresh.state[live[name]], optimizer.state[parameter]
        assert set(mine) == set(theirs) == {"step", "exp_avg", "exp_avg_sq"}
        for moment in mine:
            assert mine[moment].dtype is theirs[moment].dtype
            assert torch.equal(mine[moment], theirs[moment])


def test_a_model_of_another_shape_is_refused(folder: Path):
    saved = read(folder / "step-000002").tensors["model"]
    for names in ({}, {"w": nn.Parameter(torch.zeros(3, 2)), "v": nn.Parameter(torch.zeros(1))}):
        with pytest.raises(StorageError, match=r"differ in 1 parameters, such as '[wv]'"):
            checkpoint.restore_parameters(names, saved)
    # [3, 2] fits into [1, 3, 2] by broadcasting, which is no reason to accept it.
    with pytest.raises(StorageError, match="differ in 1 parameters"):
        checkpoint.restore_parameters({"w": nn.Parameter(torch.zeros(1, 3, 2))}, saved)


def test_moments_of_an_unknown_parameter_are_refused():
    with pytest.raises(StorageError, match="knows 'gone', the model does not"):
        checkpoint.restore_optimizer(SimpleNamespace(state={}), {}, {"exp_avg|gone": torch.zeros(1)})


def test_a_complete_checkpoint_is_never_written_again(folder: Path):
    before = (folder / "step-000002/model.safetensors").stat().st_mtime_ns
    save(folder, 2, tensors(9.0), {})
    assert value_of(folder / "step-000002") == 2.0
    assert (folder / "step-000002/model.safetensors").stat().st_mtime_ns == before


def test_a_damaged_checkpoint_of_the_step_is_replaced(folder: Path):
    (folder / "step-000002/state.json").write_bytes(b"")
    save(folder, 2, tensors(9.0), {})
    assert value_of(folder / "step-000002") == 9.0


# R5, R6: a damaged newest checkpoint


def refused(folder: Path, name: str, caplog: pytest.LogCaptureFixture) -> None:
    """The newest checkpoint is passed over, by a sentence that names the file."""
    bad = folder / "step-000002"
    assert str(bad / name) in problem_of(bad)
    with caplog.at_level(logging.WARNING):
        assert newest(folder) == folder / "step-000001"
    assert str(bad / name) in caplog.text
    with pytest.raises(StorageError, match=name) as caught:
        read(bad)
    assert caught.value.exit_code == 5
    assert "older checkpoint" in caught.value.hint


@EVERY_FILE
def test_r5_a_deleted_file(folder: Path, name: str, caplog):
    (folder / "step-000002" / name).unlink()
    refused(folder, name, caplog)


@EVERY_FILE
@pytest.mark.parametrize("kept", [0, 0.5, 1], ids=["empty", "half", "all but one byte"])
def test_r5_a_truncated_file(folder: Path, name: str, kept: float, caplog):
    path = folder / "step-000002" / name
    content = path.read_bytes()
    path.write_bytes(content[: min(int(len(content) * kept), len(content) - 1)])
    refused(folder, name, caplog)


@EVERY_FILE
@pytest.mark.parametrize("place", [0.0, 0.5, 0.999])
def test_r6_a_flipped_bit(folder: Path, name: str, place: float, caplog):
    path = folder / "step-000002" / name
    content = bytearray(path.read_bytes())
    content[int(len(content) * place)] ^= 4
    path.write_bytes(content)
    bad = folder / "step-000002"
    assert problem_of(bad)
    assert newest(folder) == folder / "step-000001"
    with pytest.raises(StorageError, match="step-000002"):
        read(bad)


def test_r6_no_bit_of_the_manifest_can_change_unseen(folder: Path):
    manifest = folder / "step-000002/manifest.json"
    content = manifest.read_bytes()
    assert not problem_of(manifest.parent)
    for at in range(len(content)):
        flipped = bytearray(content)
        flipped[at] ^= 1 << at % 8
        manifest.write_bytes(flipped)
        assert problem_of(manifest.parent), bytes(flipped)


@pytest.mark.parametrize("content", ["[]", "null", "{}", '{"schema": 1, "step": 2, "files": 7}', "\\xff"])
def test_what_is_no_manifest_is_said_to_be_none(folder: Path, content: str):
    (folder / "step-000002/manifest.json").write_text(content)
    assert "manifest.json is not a manifest" in problem_of(folder / "step-000002")


def test_a_manifest_of_another_schema_is_named(folder: Path):
    manifest = folder / "step-000002/manifest.json"
    manifest.write_text(json.dumps(json.loads(manifest.read_text()) | {"schema": 2}, indent=2))
    assert "has schema 2, this version reads 1" in problem_of(manifest.parent)


def test_a_checkpoint_under_another_name_is_not_that_step(folder: Path):
    shutil.copytree(folder / "step-000001", folder / "step-000007")
    assert newest(folder) == folder / "step-000002"


def test_only_listed_files_are_loaded(folder: Path):
    shutil.copy(folder / "step-000001/model.safetensors", folder / "step-000002/stray.safetensors")
    assert set(read(folder / "step-000002").tensors) == {"model", "optimizer"}


# R4: a save that is killed or fails at any of its file operations


class Killed(BaseException):
    """Stands for SIGKILL: nothing that catches errors may catch it, and no cleaning up happens."""


OPERATIONS = [
    (Path, "mkdir"),
    (Path, "rename"),
    (Path, "replace"),
    (Path, "write_text"),
    (Path, "open"),
    (os, "open"),
    (os, "fsync"),
    (checkpoint, "save_file"),
]


def fail_at(monkeypatch: pytest.MonkeyPatch, number: int, error: BaseException) -> list[str]:
    """Raise at the given file operation, half-way through where it writes; returns what was called."""
    calls: list[str] = []

    def counted(original, name):
        def operation(*args, **kwargs):
            calls.append(name)
            if len(calls) == number:
                if name in ("save_file", "write_text"):
                    Path(args[1] if name == "save_file" else args[0]).write_bytes(b"half")
                raise error
            return original(*args, **kwargs)

        return operation

    for owner, name in OPERATIONS:
        monkeypatch.setattr(owner, name, counted(getattr(owner, name), name))
    if isinstance(error, Killed):
        monkeypatch.setattr(shutil, "rmtree", lambda *args, **kwargs: None)
        monkeypatch.setattr(Path, "unlink", lambda *args, **kwargs: None)
    return calls


def operations_of_a_save(folder: Path) -> int:
    folder.mkdir()
    with pytest.MonkeyPatch.context() as patch:
        calls = fail_at(patch, 10**9, OSError())
        save(folder, 3, tensors(3.0), {})
    return len(calls)


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), Killed()], ids=["fails", "killed"])
def test_r4_at_every_file_operation_a_whole_checkpoint_is_chosen(tmp_path: Path, error: BaseException):
    count = operations_of_a_save(tmp_path / "count")
    assert count > 12
    expected = StorageError if isinstance(error, OSError) else Killed
    for number in range(1, count + 1):
        folder = tmp_path / str(number)
        folder.mkdir()
        save(folder, 2, tensors(2.0), {})
        with pytest.MonkeyPatch.context() as patch:
            calls = fail_at(patch, number, error)
            with pytest.raises(expected):
                save(folder, 3, tensors(3.0), {})
        assert len(calls) >= number
        chosen = newest(folder)
        assert chosen is not None
        assert value_of(chosen) == {"step-000002": 2.0, "step-000003": 3.0}[chosen.name]
        if isinstance(error, OSError):
            assert {p.name for p in folder.iterdir()} <= {"step-000002", "step-000003"}, "nothing is left"
        save(folder, 3, tensors(3.0), {})
        assert value_of(folder / "step-000003") == 3.0, "and the next save goes on"
        assert {p.name for p in folder.iterdir()} == {"step-000002", "step-000003"}


def test_r4_leftovers_are_removed_and_said_in_one_line(folder: Path, caplog):
    for pid in (os.getpid(), 4_000_000):  # in a container the next process has the same number
        left = folder / f".step-000003.tmp-{pid}"
        left.mkdir()
        (left / "model.safetensors").write_bytes(b"half")
    assert steps_in(folder) == [1, 2]
    with caplog.at_level(logging.INFO):
        save(folder, 3, tensors(3.0), {})
    (record,) = caplog.records
    assert record.message == f"{folder}: removed 2 saves that were never finished"
    assert {p.name for p in folder.iterdir()} == {"step-000001", "step-000002", "step-000003"}


# A full disk


def test_too_little_space_is_said_before_anything_is_written(folder: Path, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=1000))
    with pytest.raises(StorageError) as caught:
        save(folder, 3, tensors(3.0), {})
    # Twelve float32 values and 64 KiB for the rest.
    assert f"{folder}: needs {12 * 4 + 65536} bytes" in str(caught.value)
    assert "1000 (1 kB) are free" in str(caught.value)
    assert steps_in(folder) == [1, 2]


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of two megabytes."""
    path = tmp_path / "small"
    path.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", path], check=False, capture_output=True, text=True
    )
    if mounted.returncode:
        pytest.skip(f"mounting a tmpfs is not permitted here: {mounted.stderr.strip()}")
    try:
        yield path
    finally:
        subprocess.run(["umount", path], check=True)


def test_a_disk_that_is_full_keeps_the_old_checkpoint(small_disk: Path):
    save(small_disk, 1, tensors(1.0), {})
    with pytest.raises(StorageError, match="needs 3065536 bytes") as caught:
        save(small_disk, 2, {"model": {"w": torch.zeros(750_000)}}, {})
    assert caught.value.exit_code == 5
    assert newest(small_disk) == small_disk / "step-000001"


def test_a_disk_that_fills_up_during_the_save_keeps_the_old_checkpoint(small_disk: Path, monkeypatch):
    monkeypatch.setattr(checkpoint, "require_free_space", lambda path, needed: None)
    save(small_disk, 1, tensors(1.0), {})
    with pytest.raises(StorageError) as caught:
        save(small_disk, 2, {"model": {"w": torch.zeros(750_000)}}, {})
    message = str(caught.value)
    assert f"{small_disk}/step-000002 cannot be written" in message
    assert "No space left on device" in message
    assert "3065536 bytes are needed" in message
    assert "are free" in message
    assert [p.name for p in small_disk.iterdir()] == ["step-000001"]
    save(small_disk, 2, tensors(2.0), {})
    assert newest(small_disk) == small_disk / "step-000002"


# N1


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
@pytest.mark.parametrize("part", ["model", "optimizer"])
def test_n1_no_checkpoint_holds_a_value_that_is_not_finite(folder: Path, bad: float, part: str):
    broken = tensors(3.0)
    (name,) = broken[part]
    broken[part][name][1, 1] = bad
    with pytest.raises(DivergedError, match=r"w is not finite after step 3"):
        save(folder, 3, broken, {})
    assert steps_in(folder) == [1, 2]


# Which checkpoints there are, and which are kept


def test_order_is_by_step_and_not_by_clock(tmp_path: Path):
    for step, clock in ((9, 3000), (10, 2000), (1_000_000, 1000)):
        os.utime(save(tmp_path, step, tensors(float(step)), {}), (clock, clock))
    assert steps_in(tmp_path) == [9, 10, 1_000_000]
    assert newest(tmp_path) == tmp_path / "step-1000000"


def test_a_folder_without_checkpoints_has_no_newest(tmp_path: Path):
    assert newest(tmp_path) is None
    assert newest(tmp_path / "absent") is None
    (tmp_path / "notes").mkdir()
    assert steps_in(tmp_path) == []


def test_prune_keeps_the_newest_and_the_protected(tmp_path: Path):
    for step in range(1, 7):
        save(tmp_path, step, tensors(float(step)), {})
    prune(tmp_path, 2, protect=3)
    assert steps_in(tmp_path) == [3, 5, 6]
    prune(tmp_path, 1)
    assert steps_in(tmp_path) == [6]
    prune(tmp_path, 5, protect=4)
    assert steps_in(tmp_path) == [6]


def test_prune_does_not_count_a_damaged_checkpoint_as_kept(tmp_path: Path):
    # The run fell back from 30 to 20 and has just saved 25: losing it would lose everything.
    for step in (10, 20, 25, 30):
        save(tmp_path, step, tensors(float(step)), {})
    (tmp_path / "step-000030/model.safetensors").write_bytes(b"")
    prune(tmp_path, 1)
    assert steps_in(tmp_path) == [25]
