"""Folders for other toolkits: transformers and vLLM read an exported policy, PEFT an exported adapter.

A folder is whole or absent whenever the process is killed, and its manifest names its maker: only a
folder of the same maker is ever replaced.
"""

import copy
import json
import warnings
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from truing.core.errors import ModelError, StorageError
from truing.core.files import MANIFEST, disk_errors_explained, names_in, read_manifest, written_aside
from truing.models.card import model_card

if TYPE_CHECKING:
    import torch
    from peft import PeftModel
    from torch import Tensor, nn
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

MAKER = "truing export"


def export_folder(
    model: "PreTrainedModel | PeftModel",
    tokenizer: "PreTrainedTokenizerBase",
    target: Path,
    *,
    merge: bool,
    dtype: "torch.dtype | None" = None,
    facts: Mapping[str, Any] | None = None,
    evaluation: Mapping[str, Any] | None = None,
    beside: Callable[[Path], object] = lambda folder: None,
) -> Path:
    """Write `model` and `tokenizer` to `target` and return it; the live model stays unchanged.

    A PEFT model becomes a whole policy when `merge`, its active adapter folded in with float32 arithmetic,
    and PEFT's own adapter files otherwise; any other model is written whole. `dtype` is the format of the
    written weights, by default the one they have. `facts` go to the model card: `base_model`, `license`,
    `language`, `datasets` and `tags` to its front matter, the rest to a table. `evaluation` is the
    `results.json` that `truing eval` wrote of this model. `beside` adds files to the folder before it gets
    its name. A `target` that exists raises `StorageError` unless it is empty or holds a previous export and
    nothing else.
    """
    from peft import PeftModel

    from truing.models.load import quiet

    _refuse_foreign(target)
    adapter_only = isinstance(model, PeftModel) and not merge
    with quiet(), disk_errors_explained(target), written_aside(target, maker=MAKER) as folder:
        if isinstance(model, PeftModel) and not merge:
            _write_adapter(model, folder)
        else:
            _write_whole(model, folder, dtype)
        tokenizer.save_pretrained(folder)
        library = "peft" if adapter_only else "transformers"
        card = model_card(target.name, facts or {}, library=library, evaluation=evaluation)
        (folder / "README.md").write_text(card, "utf-8")
        beside(folder)
    return target


def _write_adapter(model: "PeftModel", folder: Path) -> None:
    """Write PEFT's files for the active adapter, at the top of `folder` for any name of the adapter.

    Embeddings are saved only when they were trained: PEFT's "auto" asks the hub about the base model.
    """
    name = _active_adapter(model)
    model.save_pretrained(str(folder), selected_adapters=[name], save_embedding_layers=False)
    if name != "default":
        for file in (folder / name).iterdir():
            file.rename(folder / file.name)
        (folder / name).rmdir()
    _order_sets(model, name, folder / "adapter_config.json")


def _order_sets(model: "PeftModel", name: str, path: Path) -> None:
    """Sort what PEFT holds as sets: it writes them in the order of their hashes, another in each process."""
    config = json.loads(path.read_text("utf-8"))
    for key, value in vars(model.peft_config[name]).items():
        if isinstance(value, set):
            config[key] = sorted(value)
    path.write_text(json.dumps(config, indent=2, sort_keys=True), "utf-8")


def _active_adapter(model: "PeftModel") -> str:
    names = model.active_adapters
    if len(names) != 1:
        raise ModelError(
            f"{len(names)} adapters are active ({', '.join(names)}), and an export holds one",
            hint="call set_adapter with one name first",
        )
    return names[0]


def _write_whole(model: "PreTrainedModel | PeftModel", folder: Path, dtype: "torch.dtype | None") -> None:
    """Write config, generation config and safetensors of `model`, through a twin that has no adapters."""
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
    """Tell whether weights that are tied in the base are still equal: an adapter may change one of them."""
    return all(
        tensors[target].equal(tensors[source]) for target, source in base.all_tied_weights_keys.items()
    )


def _plain_tensors(module: "nn.Module", prefix: str = "") -> Iterator[tuple[str, "Tensor", bool]]:
    """Yield (name, tensor, merged) of every saved tensor, under its name without PEFT."""
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
    """Copy one PEFT layer in float32 with its active adapter folded in; one layer is copied at a time."""
    twin: Any = copy.deepcopy(layer).float()
    if hasattr(twin, "unload_and_optionally_merge_module"):
        return twin.unload_and_optionally_merge_module(merge=True, safe_merge=True, adapter_names=None)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Already following adapters were merged")
        twin.merge(safe_merge=True)
    return twin.get_base_layer()


def _refuse_foreign(target: Path) -> None:
    """Raise `StorageError` if replacing `target` would lose a file that no export wrote."""
    if not target.exists() or (target.is_dir() and not any(target.iterdir())):
        return
    manifest = read_manifest(target)
    if manifest is None or manifest["made_by"] != MAKER:
        raise StorageError(
            f"{target} exists and is not a previous export", hint="choose a folder that does not exist yet"
        )
    known = {MANIFEST, *manifest["files"]}
    foreign = sorted(name for name in names_in(target) if name not in known)
    if foreign:
        raise StorageError(
            f"{target} holds files that no export wrote: {', '.join(foreign[:5])}",
            hint="move them elsewhere, or choose another folder",
        )
