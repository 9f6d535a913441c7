"""Folders that others can open: transformers and vLLM read an exported policy, PEFT an exported adapter.

Every folder is written aside, put on disk and renamed once, so that it is whole or absent whenever the
process is killed. `manifest.json` holds the size and SHA-256 of every other file, and what wrote the folder:
only a folder of the same maker is ever replaced.
"""

import contextlib
import copy
import errno
import fcntl
import hashlib
import json
import os
import re
import secrets
import shutil
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from truing import __version__
from truing.core.errors import ModelError, StorageError

if TYPE_CHECKING:
    import torch
    from peft import PeftModel
    from torch import Tensor, nn
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

MANIFEST = "manifest.json"
MAKER = "truing export"
_HUB_NAME = re.compile(r"[\w.-]+/[\w.-]+")
_FRONT_MATTER = ("base_model", "license", "language", "datasets")


def export_folder(
    model: "PreTrainedModel | PeftModel",
    tokenizer: "PreTrainedTokenizerBase",
    target: Path,
    *,
    merge: bool,
    dtype: "torch.dtype | None" = None,
    facts: Mapping[str, Any] | None = None,
) -> Path:
    """Writes `model` and `tokenizer` to `target` and returns it; the live model is left as it is.

    A PEFT model becomes a whole policy when `merge`, its active adapter folded in with float32 arithmetic,
    and PEFT's own adapter files otherwise; any other model is written whole. `dtype` is that of the written
    weights, by default the one they have. `facts` go to the model card: `base_model`, `license`,
    `language`, `datasets` and `tags` to its front matter, the rest to a table. A `target` that exists
    raises `StorageError` unless it is empty or holds a previous export and nothing else.
    """
    from peft import PeftModel
    from safetensors import SafetensorError

    from truing.models.load import quiet

    _refuse_foreign(target)
    adapter_only = isinstance(model, PeftModel) and not merge
    try:
        with quiet(), written_aside(target, maker=MAKER) as folder:
            if isinstance(model, PeftModel) and not merge:
                _write_adapter(model, folder)
            else:
                _write_whole(model, folder, dtype)
            tokenizer.save_pretrained(folder)
            library = "peft" if adapter_only else "transformers"
            (folder / "README.md").write_text(model_card(target.name, facts or {}, library=library), "utf-8")
    except (OSError, SafetensorError) as error:
        raise StorageError(
            f"{target} cannot be written: {error}", hint="nothing was left behind; mend this and export again"
        ) from error
    return target


def model_card(title: str, facts: Mapping[str, Any], *, library: str) -> str:
    """A README in the form the hub reads: YAML front matter, then the other facts as a table.

    `base_model` goes to the front matter only when it is a hub name: the hub refuses a path there.
    """
    import yaml

    front = {key: facts[key] for key in _FRONT_MATTER if key in facts}
    if not _HUB_NAME.fullmatch(str(front.get("base_model", ""))):
        front.pop("base_model", None)
    front |= {"library_name": library, "tags": ["truing", "alignment", *facts.get("tags", ())]}
    rows = {key: value for key, value in facts.items() if key not in front}
    table = ["| | |", "|---|---|", *(f"| {_cell(key)} | {_cell(value)} |" for key, value in rows.items())]
    parts = [
        f"---\n{yaml.safe_dump(front, sort_keys=False, allow_unicode=True)}---",
        f"# {title}",
        f"Written by truing {__version__}.",
        *(["\n".join(table)] if rows else []),
    ]
    return "\n\n".join(parts) + "\n"


def _cell(value: object) -> str:
    return str(value).replace("|", "\\|").replace("\n", " ")


def _write_adapter(model: "PeftModel", folder: Path) -> None:
    """PEFT's files for the active adapter, at the top of `folder` whatever the adapter's name.

    Embeddings are saved only when they were trained: PEFT's "auto" asks the hub about the base model.
    """
    name = _active_adapter(model)
    model.save_pretrained(str(folder), selected_adapters=[name], save_embedding_layers=False)
    if name != "default":
        for file in (folder / name).iterdir():
            file.rename(folder / file.name)
        (folder / name).rmdir()


def _active_adapter(model: "PeftModel") -> str:
    names = model.active_adapters
    if len(names) != 1:
        raise ModelError(
            f"{len(names)} adapters are active ({', '.join(names)}), and an export holds one",
            hint="call set_adapter with one name first",
        )
    return names[0]


def _write_whole(model: "PreTrainedModel | PeftModel", folder: Path, dtype: "torch.dtype | None") -> None:
    """Config, generation config and safetensors of `model`, saved through a twin that has no adapters."""
    import torch
    from peft import PeftModel

    if isinstance(model, PeftModel):
        _active_adapter(model)
    base = cast("PreTrainedModel", model.get_base_model() if isinstance(model, PeftModel) else model)
    if hasattr(base.config, "quantization_config"):
        raise ModelError(
            "the weights are quantised, and merging into them would round twice",
            hint="load the base in float32 or bfloat16, then export; or export the adapter alone",
        )
    with torch.no_grad():
        tensors = {
            name: tensor.detach().to("cpu", _written_dtype(tensor, dtype, base.dtype, merged))
            for name, tensor, merged in _plain_tensors(base)
        }
    config = copy.deepcopy(base.config)
    if not _still_tied(base, tensors):
        config.tie_word_embeddings = False
    with torch.device("meta"):
        twin = type(base)(config)
    twin.load_state_dict(tensors, strict=True, assign=True)
    twin.tie_weights()
    twin.save_pretrained(folder)
    if base.can_generate() and base.generation_config is not None:
        # Written directly because save_pretrained refuses what from_pretrained only warns about,
        # such as a temperature beside do_sample=False.
        base.generation_config.to_json_file(folder / "generation_config.json")


def _written_dtype(
    tensor: "Tensor", asked: "torch.dtype | None", of_base: "torch.dtype", merged: bool
) -> "torch.dtype":
    if not tensor.is_floating_point():
        return tensor.dtype
    return asked or (of_base if merged else tensor.dtype)


def _still_tied(base: "PreTrainedModel", tensors: Mapping[str, "Tensor"]) -> bool:
    """Whether weights that share storage in the base are still equal: an adapter may sit on one of them."""
    return all(
        tensors[target].equal(tensors[source]) for target, source in base.all_tied_weights_keys.items()
    )


def _plain_tensors(module: "nn.Module", prefix: str = "") -> Iterator[tuple[str, "Tensor", bool]]:
    """(name, tensor, merged) of every saved tensor, under the names it has without PEFT."""
    from peft.tuners.tuners_utils import BaseTunerLayer
    from peft.utils.other import AuxiliaryTrainingWrapper

    for name, child in module.named_children():
        if isinstance(child, BaseTunerLayer | AuxiliaryTrainingWrapper):
            for inner, tensor in _without_adapters(child).state_dict().items():
                yield f"{prefix}{name}.{inner}", tensor, True
        else:
            yield from _plain_tensors(child, f"{prefix}{name}.")
    for name, parameter in module.named_parameters(recurse=False, remove_duplicate=False):
        yield f"{prefix}{name}", parameter, False
    for name, buffer in module.named_buffers(recurse=False, remove_duplicate=False):
        if name not in module._non_persistent_buffers_set:
            yield f"{prefix}{name}", buffer, False


def _without_adapters(layer: "nn.Module") -> "nn.Module":
    """A float32 copy of one PEFT layer with its active adapter folded in: one layer is copied at a time."""
    twin: Any = copy.deepcopy(layer).float()
    if hasattr(twin, "unload_and_optionally_merge_module"):
        return twin.unload_and_optionally_merge_module(merge=True, safe_merge=True, adapter_names=None)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Already following adapters were merged")
        twin.merge(safe_merge=True)
    return twin.get_base_layer()


@contextlib.contextmanager
def written_aside(target: Path, *, maker: str, keep_intact: bool = False) -> Iterator[Path]:
    """Yields a new folder beside `target` that becomes `target` when the block ends without an error.

    After an error nothing is left of it; what a killed process left is removed by the next writer. What
    `target` held is replaced, or, with `keep_intact`, kept if it is whole by now: another process won.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    _sweep(target)
    folder, lock = _new_folder(target)
    try:
        yield folder
        _write_manifest(folder, maker)
        _put_on_disk(folder)
        _publish(folder, target, maker if keep_intact else None)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(lock)


def problems(folder: Path, *, maker: str, hashes: bool = False) -> list[str]:
    """What differs between a folder and its manifest, in words; empty when `maker` wrote it and it is whole.

    Sizes are always compared, contents only when asked: that reads every byte.
    """
    manifest = read_manifest(folder)
    if manifest is None or manifest["made_by"] != maker:
        return [f"{MANIFEST} of {maker} is missing or unreadable"]
    found = []
    for name, entry in manifest["files"].items():
        file = folder / name
        if not file.is_file():
            found.append(f"{name} is missing")
        elif (size := file.stat().st_size) != entry["size"]:
            found.append(f"{name} has {size} bytes instead of {entry['size']}")
        elif hashes and _sha256(file) != entry["sha256"]:
            found.append(f"{name} has another content than was written")
    return found


def read_manifest(folder: Path) -> dict[str, Any] | None:
    """The manifest of a folder that `written_aside` made; None if there is none."""
    try:
        manifest = json.loads((folder / MANIFEST).read_bytes())
    except (OSError, ValueError):
        return None
    return manifest if isinstance(manifest, dict) and "made_by" in manifest and "files" in manifest else None


def _refuse_foreign(target: Path) -> None:
    """Raises `StorageError` if replacing `target` would lose a file that no export wrote."""
    if not target.exists() or (target.is_dir() and not any(target.iterdir())):
        return
    manifest = read_manifest(target)
    if manifest is None or manifest["made_by"] != MAKER:
        raise StorageError(
            f"{target} exists and is not a previous export", hint="choose a folder that does not exist yet"
        )
    known = {MANIFEST, *manifest["files"]}
    foreign = sorted(name for name in _files(target) if name not in known)
    if foreign:
        raise StorageError(
            f"{target} holds files that no export wrote: {', '.join(foreign[:5])}",
            hint="move them elsewhere, or choose another folder",
        )


def _files(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if not path.is_dir())


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _write_manifest(folder: Path, maker: str) -> None:
    files = {
        name: {"size": (folder / name).stat().st_size, "sha256": _sha256(folder / name)}
        for name in _files(folder)
    }
    manifest = {"schema": 1, "made_by": maker, "truing": __version__, "files": files}
    (folder / MANIFEST).write_text(json.dumps(manifest, indent=2) + "\n", "utf-8")


def _put_on_disk(folder: Path) -> None:
    """Syncs every file and folder, and gives all files the mode of a new file: safetensors writes 0600."""
    mode = (folder / MANIFEST).stat().st_mode & 0o777
    for path in (*folder.rglob("*"), folder):
        if path.is_file():
            path.chmod(mode)
        _sync(path)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _publish(folder: Path, target: Path, keep_of: str | None) -> None:
    """Renames `folder` to `target`, moving aside what is there; another process may be doing the same.

    A whole folder that the maker `keep_of` wrote stays.
    """
    for _ in range(100):
        if keep_of is not None and not problems(target, maker=keep_of, hashes=True):
            break
        try:
            folder.rename(target)
            break
        except OSError as error:
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                raise
        with contextlib.suppress(FileNotFoundError):
            target.rename(_beside(target))
    else:
        raise StorageError(f"{target} keeps changing while it is replaced", hint="is another process at it?")
    _sync(target.parent)
    _sweep(target)


def _beside(target: Path) -> Path:
    return target.with_name(f".{target.name}.tmp-{os.getpid()}-{secrets.token_hex(4)}")


def _new_folder(target: Path) -> tuple[Path, int]:
    """An empty folder beside `target`, and a lock on it that the kernel drops when this process ends."""
    while True:
        folder = _beside(target)
        folder.mkdir()
        descriptor = os.open(folder, os.O_RDONLY)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        if folder.exists():  # a sweeper may have taken it between these lines
            return folder, descriptor
        os.close(descriptor)


def _sweep(target: Path) -> None:
    """Removes what stands aside for `target` and no living process holds a lock on."""
    prefix = f".{target.name}.tmp-"
    for leftover in [path for path in target.parent.iterdir() if path.name.startswith(prefix)]:
        try:
            descriptor = os.open(leftover, os.O_RDONLY)
        except FileNotFoundError:
            continue
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(leftover, ignore_errors=True)
        except BlockingIOError:
            continue
        finally:
            os.close(descriptor)
