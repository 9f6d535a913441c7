"""Checkpoints that are whole or absent: tensors in safetensors, everything else in JSON, no pickle.

    step-000120/
      model.safetensors       the trained parameters
      optimizer.safetensors   Adam's moments and step counts, by parameter name; of weights in shards, every
                              rank writes its part: model.part-00000-of-00002.safetensors
      state.json              the step, the best evaluation so far …
      manifest.json           schema, size and sha256 of every file; written last

A reader trusts only a folder whose files match its manifest; otherwise it takes the checkpoint before.
"""

import json
import logging
import re
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from truing.core.errors import DivergedError, StorageError
from truing.core.files import (
    MANIFEST,
    Entries,
    differences,
    disk_errors_explained,
    require_free_space,
    sealed_aside,
)
from truing.models.sharding import is_part, like, part_of
from truing.models.world import world

SCHEMA = 1
Tensors = Mapping[str, Mapping[str, Tensor]]  # stem of a file -> name -> tensor
_NAME = re.compile(r"step-(\d{6,})")
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Saved:
    """A checkpoint read back."""

    step: int
    tensors: dict[str, dict[str, Tensor]]  # file stem -> name -> tensor
    state: dict[str, Any]


def _require_finite(step: int, tensors: Mapping[str, Mapping[str, Tensor]]) -> None:
    for part in tensors.values():
        for name, value in part.items():
            if not torch.isfinite(value).all():
                raise DivergedError(
                    f"{name} is not finite after step {step}; no checkpoint is written",
                    hint="resume from the checkpoint before with a lower optim.learning_rate",
                )


def _manifest(step: int, files: Entries) -> str:
    return json.dumps({"schema": SCHEMA, "step": step, "files": files}, indent=2)


def remove_leftovers(folder: Path) -> None:
    """Delete the leftovers of killed saves. One process at a time writes in a folder."""
    leftovers = list(folder.glob(".step-*"))
    for path in leftovers:
        shutil.rmtree(path)
    if leftovers:
        log.info("%s: removed %d saves that were never finished", folder, len(leftovers))


def room_for(names: Mapping[str, torch.nn.Parameter]) -> int:
    """Count the bytes of a checkpoint: these parameters, Adam's two moments, and the small files."""
    return 3 * sum(p.numel() * p.element_size() for p in names.values()) + 65536


def save(
    folder: Path,
    step: int,
    tensors: Mapping[str, Mapping[str, Tensor]],
    state: Mapping[str, Any],
    *,
    replace: bool = False,
    write: Callable[[Path], object] | None = None,
) -> Path:
    """Write `folder/step-NNNNNN`. Raises StorageError and leaves no folder when the disk is full.

    `tensors` is one mapping per safetensors file. `write` puts them into a folder; None writes them here.
    A complete checkpoint of the same step is kept as it is, unless `replace`. Raises DivergedError and leaves
    no folder when a value is not finite.
    """
    target = folder / f"step-{step:06d}"
    if not replace and target.exists() and not problem_of(target):
        return target
    remove_leftovers(folder)
    needed = sum(t.numel() * t.element_size() for part in tensors.values() for t in part.values()) + 65536
    require_free_space(folder, needed)
    with disk_errors_explained(target, needed), sealed_aside(target, partial(_manifest, step)) as aside:
        write(aside) if write else write_tensors(aside, step, tensors)
        (aside / "state.json").write_text(json.dumps({"step": step, **state}, indent=2), "utf-8")
    return target


def write_tensors(folder: Path, step: int, tensors: Tensors, part: str = "") -> None:
    """Write a file for each mapping of tensors. Raises DivergedError where a value is not finite."""
    _require_finite(step, tensors)
    for stem, named in tensors.items():
        plain = {name: value.detach().cpu().contiguous() for name, value in named.items()}
        save_file(plain, folder / f"{stem}{part}.safetensors")


def write_part(folder: Path, step: int, tensors: Tensors) -> None:
    """Write this rank's part of tensors that lie in shards; rank 0 also writes those that do not."""
    here = world()
    own = {
        stem: {name: part_of(value) for name, value in named.items() if here.main or is_part(value)}
        for stem, named in tensors.items()
    }
    write_tensors(folder, step, own, f".part-{here.rank:05d}-of-{here.size:05d}")


def problem_of(path: Path) -> str:
    """Say why a checkpoint folder cannot be trusted; empty where it can."""
    manifest = path / MANIFEST
    if not manifest.exists():
        return f"{manifest} is missing"
    try:
        text = manifest.read_bytes().decode()
        content = json.loads(text)
        files = dict(content["files"])
        if content["schema"] != SCHEMA:
            return f"{manifest} has schema {content['schema']}, this version reads {SCHEMA}"
        # Whatever bit of it has changed, the manifest is no longer what `save` writes for this folder.
        if text != _manifest(int(path.name.removeprefix("step-")), files):
            return f"{manifest} is damaged"
        return next((f"{path}/{wrong}" for wrong in differences(path, files, hashes=True)), "")
    except OSError as error:
        return f"{error.filename or path} cannot be read: {error.strerror or error}"
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        return f"{manifest} is not a manifest ({error})"


def steps_in(folder: Path) -> list[int]:
    """List the steps with a checkpoint folder, complete or not, in ascending order."""
    if not folder.is_dir():
        return []
    return sorted(int(match[1]) for path in folder.iterdir() if (match := _NAME.fullmatch(path.name)))


def newest(folder: Path, pass_over: Callable[[str], object] = log.warning) -> Path | None:
    """Find the newest checkpoint that matches its manifest; tell `pass_over` the faults of newer ones."""
    for step in reversed(steps_in(folder)):
        path = folder / f"step-{step:06d}"
        if not (problem := problem_of(path)):
            return path
        pass_over(problem)
    return None


def read(path: Path) -> Saved:
    """Read a checkpoint's tensors and state. Raises StorageError that names its fault."""
    if problem := problem_of(path):
        raise StorageError(problem, hint="resume from an older checkpoint, or start again in a new folder")
    state = json.loads((path / "state.json").read_bytes())
    listed = json.loads((path / MANIFEST).read_bytes())["files"]
    tensors: dict[str, dict[str, Tensor]] = {}
    for name in sorted(listed):  # parts in the order of their ranks
        if name.endswith(".safetensors"):
            _add_part(tensors.setdefault(name.partition(".")[0], {}), load_file(path / name))
    return Saved(state["step"], tensors, state)


def _add_part(whole: dict[str, Tensor], part: Mapping[str, Tensor]) -> None:
    for name, value in part.items():
        whole[name] = torch.cat([whole[name], value]) if name in whole else value


def prune(folder: Path, keep: int, *, protect: int | None = None) -> None:
    """Delete all but the `keep` newest complete checkpoints and the protected step.

    Damaged checkpoints do not count as kept: a run that resumed from before them must not lose its new saves.
    """
    complete = (step for step in reversed(steps_in(folder)) if not problem_of(folder / f"step-{step:06d}"))
    kept = {*islice(complete, keep), protect}
    for step in steps_in(folder):
        if step not in kept:
            _remove(folder / f"step-{step:06d}")


def _remove(path: Path) -> None:
    """Delete a checkpoint, or a file in its place."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink()


def optimizer_tensors(
    optimizer: torch.optim.Optimizer, names: Mapping[str, torch.nn.Parameter]
) -> dict[str, Tensor]:
    """Return the state of an optimiser as named tensors: `moment|parameter`."""
    return {
        f"{key}|{name}": value
        for name, parameter in names.items()
        for key, value in optimizer.state.get(parameter, {}).items()
        if isinstance(value, Tensor)
    }


def restore_optimizer(
    optimizer: torch.optim.Optimizer, names: Mapping[str, torch.nn.Parameter], tensors: Mapping[str, Tensor]
) -> None:
    """Load tensors that `optimizer_tensors` returned into an optimiser."""
    for key, value in tensors.items():
        moment, _, name = key.partition("|")
        if name not in names:
            raise StorageError(f"the checkpoint's optimiser knows {name!r}, the model does not")
        parameter = names[name]
        on = value if moment == "step" else like(value, parameter)
        optimizer.state[parameter][moment] = on.clone()


@torch.no_grad()
def restore_parameters(names: Mapping[str, torch.nn.Parameter], tensors: Mapping[str, Tensor]) -> None:
    """Copy saved values into the live parameters; a missing or extra name or another shape is an error."""
    live = {(name, parameter.shape) for name, parameter in names.items()}
    if wrong := live ^ {(name, value.shape) for name, value in tensors.items()}:
        differing = sorted({name for name, _ in wrong})
        raise StorageError(
            f"the checkpoint and the model differ in {len(differing)} parameters, such as {differing[0]!r}",
            hint="was lora or top_layers changed since? start in a new output folder",
        )
    for name, parameter in names.items():
        parameter.copy_(like(tensors[name], parameter))
