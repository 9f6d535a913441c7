"""Checkpoints that are whole or absent: tensors in safetensors, everything else in JSON, no pickle.

    step-000120/
      model.safetensors       the trained parameters
      optimizer.safetensors   Adam's moments and step counts, by parameter name
      state.json              the step, the best evaluation so far …
      manifest.json           schema, size and sha256 of every file; written last

A checkpoint is written into a folder aside, every file flushed to disk, then renamed once. A reader
trusts only a folder whose files are what its manifest says, and goes back to the one before.
"""

import json
import logging
import os
import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from truing.core.errors import StorageError
from truing.core.files import TEMPORARY, cannot_write, require_free_space, sha256_file, sync_folder, write_atomic

SCHEMA = 1
_NAME = re.compile(r"step-(\d{6,})")
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Saved:
    """A checkpoint read back."""

    step: int
    tensors: dict[str, dict[str, Tensor]]  # file stem -> name -> tensor
    state: dict[str, Any]


def _flush(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def save(
    folder: Path, step: int, tensors: Mapping[str, Mapping[str, Tensor]], state: Mapping[str, Any]
) -> Path:
    """Write `folder/step-NNNNNN`. Raises StorageError and leaves nothing when the disk is full.

    `tensors` is one mapping per safetensors file. A complete checkpoint of the same step is kept as it is.
    """
    target = folder / f"step-{step:06d}"
    if target.exists() and not problem_of(target):
        return target
    needed = sum(t.numel() * t.element_size() for part in tensors.values() for t in part.values()) + 65536
    require_free_space(folder, needed)
    aside = folder / f".step-{step:06d}{TEMPORARY}{os.getpid()}"
    try:
        aside.mkdir()
        for stem, part in tensors.items():
            plain = {name: value.detach().cpu().contiguous() for name, value in part.items()}
            save_file(plain, aside / f"{stem}.safetensors")
        (aside / "state.json").write_text(json.dumps({"step": step, **state}, indent=2))
        files = {path.name: {"size": path.stat().st_size, "sha256": sha256_file(path)} for path in aside.iterdir()}
        for name in files:
            _flush(aside / name)
        write_atomic(aside / "manifest.json", json.dumps({"schema": SCHEMA, "step": step, "files": files}, indent=2))
        if target.exists():
            shutil.rmtree(target)
        aside.rename(target)
        sync_folder(folder)
    except OSError as error:
        raise cannot_write(target, needed, error) from error
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    return target


def problem_of(path: Path) -> str:
    """Why a checkpoint folder cannot be trusted, or nothing."""
    manifest = path / "manifest.json"
    if not manifest.exists():
        return f"{manifest} is missing"
    try:
        content = json.loads(manifest.read_text())
        listed = content["files"].items()
    except (ValueError, KeyError, AttributeError) as error:
        return f"{manifest} is not a manifest ({error})"
    if content.get("schema") != SCHEMA:
        return f"{manifest} has schema {content.get('schema')}, this version reads {SCHEMA}"
    for name, facts in listed:
        file = path / name
        if not file.is_file():
            return f"{file} is missing"
        if file.stat().st_size != facts["size"]:
            return f"{file} has {file.stat().st_size} bytes, its manifest says {facts['size']}"
        if sha256_file(file) != facts["sha256"]:
            return f"{file} is damaged: its sha256 is not the manifest's"
    return ""


def steps_in(folder: Path) -> list[int]:
    """The steps with a checkpoint folder, complete or not, oldest first. Order is by step, not by clock."""
    if not folder.is_dir():
        return []
    return sorted(int(match[1]) for path in folder.iterdir() if (match := _NAME.fullmatch(path.name)))


def newest(folder: Path) -> Path | None:
    """The newest checkpoint that is what its manifest says; damaged ones are named and passed over."""
    for step in reversed(steps_in(folder)):
        path = folder / f"step-{step:06d}"
        if not (problem := problem_of(path)):
            return path
        log.warning("checkpoint passed over: %s", problem)
    return None


def read(path: Path) -> Saved:
    """A checkpoint's tensors and state. Raises StorageError naming what is wrong with it."""
    if problem := problem_of(path):
        raise StorageError(problem, hint="resume from an older checkpoint, or start again in a new folder")
    state = json.loads((path / "state.json").read_text())
    tensors = {file.stem: load_file(file) for file in path.glob("*.safetensors")}
    return Saved(state["step"], tensors, state)


def prune(folder: Path, keep: int, *, protect: int | None = None) -> None:
    """Delete all but the `keep` newest complete checkpoints and the protected step."""
    steps = steps_in(folder)
    kept = set(steps[-keep:]) | ({protect} if protect is not None else set())
    for step in steps:
        if step not in kept:
            shutil.rmtree(folder / f"step-{step:06d}")


def optimizer_tensors(optimizer: torch.optim.Optimizer, names: Mapping[str, torch.nn.Parameter]) -> dict[str, Tensor]:
    """The state of an optimiser as named tensors: `moment|parameter`."""
    return {
        f"{key}|{name}": value
        for name, parameter in names.items()
        for key, value in optimizer.state.get(parameter, {}).items()
        if isinstance(value, Tensor)
    }


def restore_optimizer(
    optimizer: torch.optim.Optimizer, names: Mapping[str, torch.nn.Parameter], tensors: Mapping[str, Tensor]
) -> None:
    """The inverse of `optimizer_tensors`."""
    for key, value in tensors.items():
        moment, _, name = key.partition("|")
        if name not in names:
            raise StorageError(f"the checkpoint's optimiser knows {name!r}, the model does not")
        parameter = names[name]
        on = value if moment == "step" else value.to(parameter.device)
        optimizer.state[parameter][moment] = on.clone()


@torch.no_grad()
def restore_parameters(names: Mapping[str, torch.nn.Parameter], tensors: Mapping[str, Tensor]) -> None:
    """Copy saved values into the live parameters; a missing or extra name is an error."""
    if wrong := set(names) ^ set(tensors):
        raise StorageError(
            f"the checkpoint and the model differ in {len(wrong)} parameters, such as {sorted(wrong)[0]!r}",
            hint="was lora or top_layers changed since? start in a new output folder",
        )
    for name, parameter in names.items():
        parameter.copy_(tensors[name])
