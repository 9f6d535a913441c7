"""Log-probabilities of a reference for rows that lie on disk: on disk too, in files of PART items each.

A file is written once its items are computed, so that a run that is stopped goes on with the next. It has a
checksum, and is read by item. A pass holds items of one part alone, so the numbers differ from those of
`reference.cached` in rounding.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from truing.core.files import write_atomic
from truing.data.packing import PackedBatch
from truing.models.reference import read_tensors, sha256_of
from truing.models.world import world

PART = 8192  # items

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class PartedLogps:
    """A table of log-probabilities by item, in the files of a folder."""

    folder: Path

    def __call__(self, batch: PackedBatch) -> Tensor:
        return torch.cat([self._of(item) for item in batch.items]).to(batch.target.device)

    def _of(self, item: int) -> Tensor:
        with safe_open(self.part_of(item), "pt") as file:
            ends = file.get_tensor("ends")
            start = int(ends[item % PART - 1]) if item % PART else 0
            return file.get_slice("logps")[start : int(ends[item % PART])]

    def part_of(self, item: int) -> Path:
        """Return the file that holds an item."""
        return self.folder / f"{item // PART:06}.safetensors"


def parted(folder: Path, key: str, items: int, compute: Callable[[range], dict[int, Tensor]]) -> PartedLogps:
    """Return the table of `key` in `folder`; compute and write each part that is not there or not sound.

    `compute` gets the items of a part and returns their log-probabilities, numbered from 0. All ranks compute
    a part that one of them finds missing. Rank 0 writes it, and then each whose machine has another folder.
    """
    found, here = PartedLogps(folder / key[:32]), world()
    found.folder.mkdir(parents=True, exist_ok=True)
    for start in range(0, items, PART):
        path = found.part_of(start)
        if all(here.gather(_is_sound(path))):
            continue
        logps = compute(range(start, min(start + PART, items)))
        here.from_main(partial(_write, path, logps))
        if not here.main and not _is_sound(path):
            _write(path, logps)
    return found


def _write(path: Path, logps: dict[int, Tensor]) -> None:
    rows = [logps[place] for place in range(len(logps))]
    tensors = {"logps": torch.cat(rows), "ends": torch.tensor([len(row) for row in rows]).cumsum(0)}
    write_atomic(path, save(tensors, {"sha256": sha256_of(tensors)}))


def _is_sound(path: Path) -> bool:
    try:
        read_tensors(path)
    except FileNotFoundError:
        return False
    except SafetensorError as error:
        log.warning("%s is damaged and computed again: %s", path, error)
        return False
    return True
