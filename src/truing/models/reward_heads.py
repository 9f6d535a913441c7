"""The reward heads that other toolkits left in a folder, and the one place where .bin files are read.

    score.weight                  transformers, one label; `save_reward` writes it
    score_head.weight             in the weights
    v_head.summary.weight, .bias  TRL and LLaMA-Factory: in the weights, or in value_head.safetensors or .bin
    v_head.weight                 DeepSpeed-Chat, where the backbone has transformers' names

To read another name, add it to `_NAMES`. A .bin file is a pickle, of which torch builds nothing but tensors.
Even so only `truing export` asks for .bin files, and reads one only where no safetensors file replaces it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from truing.core.errors import ModelError
from truing.models.folders import weight_files

VALUE_HEAD = "value_head.safetensors"
SIDE_FILES = (VALUE_HEAD, "value_head.bin")
_NAMES = ("score", "score_head", "v_head.summary", "v_head")


@dataclass(frozen=True)
class StoredHead:
    """A linear head as a file holds it."""

    where: str  # file and name, for messages
    weight: Tensor  # [1, D] f32
    bias: float


def stored_heads(folder: Path, *, import_bin: bool = False) -> list[StoredHead]:
    """List every linear head in a folder, those in the weights first.

    Raises ModelError where the weights or the head beside them lie in a .bin file, unless `import_bin`.
    """
    files = _files(folder)
    if not import_bin:
        _refuse_bins(folder, files)
    heads = []
    for file in files:
        found = _heads_in(file)
        if not found and file.name in SIDE_FILES:
            raise ModelError(
                f"{file} holds none of {', '.join(f'{name}.weight' for name in _NAMES)}",
                hint="rename its weight to v_head.summary.weight, or remove the file",
            )
        heads += found
    return heads


def _refuse_bins(folder: Path, files: list[Path]) -> None:
    pickles = [file.name for file in files if file.suffix != ".safetensors"]
    if pickles:
        raise ModelError(
            f"{folder} keeps its head or its weights in pickles ({', '.join(pickles[:3])});"
            " only `truing export` reads those",
            hint=f"truing export {folder} NEW --head-layout transformers",
        )


def _files(folder: Path) -> list[Path]:
    """List the files that may hold a folder's heads: its weights, then the file beside them."""
    beside = [folder / name for name in SIDE_FILES if (folder / name).is_file()]
    return weight_files(folder, bins=True) + beside[:1]


def _heads_in(file: Path) -> list[StoredHead]:
    tensors = _tensors(file)
    heads = []
    for name in _NAMES:
        if (weight := tensors.get(f"{name}.weight")) is not None:
            bias = tensors.get(f"{name}.bias", torch.zeros(1))
            heads.append(StoredHead(f"{name}.weight of {file.name}", weight.float(), float(bias.sum())))
    return heads


def _tensors(file: Path) -> Mapping[str, Tensor]:
    """Read the tensors of a file that may belong to a head."""
    wanted = {f"{name}.{part}" for name in _NAMES for part in ("weight", "bias")}
    if file.suffix != ".safetensors":
        return _import_bin(file, wanted)
    try:
        with safe_open(file, "pt") as opened:
            return {name: opened.get_tensor(name) for name in wanted & set(opened.keys())}
    except SafetensorError as error:
        raise _no_tensors(file, error) from error


def _import_bin(file: Path, wanted: set[str]) -> Mapping[str, Tensor]:
    try:
        content = torch.load(file, map_location="cpu", weights_only=True, mmap=True)
        return {name: content[name].float() for name in wanted & content.keys()}
    # A damaged pickle can raise anything: UnicodeDecodeError, IndexError, AssertionError and others were
    # seen, and the error that refuses to run one can be named only by importing pickle.
    except Exception as error:
        raise _no_tensors(file, error) from error


def _no_tensors(file: Path, error: Exception) -> ModelError:
    reason = (str(error) or type(error).__name__).splitlines()[0]
    return ModelError(
        f"{file} is not a file of tensors: {reason}",
        hint="write it again as safetensors, with the toolkit that made it",
    )
