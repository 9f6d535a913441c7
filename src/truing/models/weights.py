"""Load the weights of a folder into a model: each parameter needs a value, each tensor a place.

transformers draws missing weights at random and goes on. Here such a folder is refused with the names of both
sides, and so are weights that are not finite. Prefixes of wrappers (`torch.compile`, DataParallel, FSDP) are
removed from names.
"""

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from truing.core.errors import ModelError
from truing.core.messages import joined, message
from truing.models.folders import tensor_types, weight_files

SHOWN = 3  # names in a message
# What wrappers put before the names of the module they hold, or in the middle of one.
_WRAPPERS = r"(?:_orig_mod|_fsdp_wrapped_module|_checkpoint_wrapped_module)\."
_WRAPPED = re.compile(rf"^module\.|(?:^|\.){_WRAPPERS}")
WITHOUT_WRAPPERS = {rf"^(?:module\.|{_WRAPPERS})+": "", rf"\.(?:{_WRAPPERS})+": "."}
_NUMBER = re.compile(r"\.\d+\.")


def opened(kind: Any, folder: Path, dtype: torch.dtype, **how: Any) -> tuple[PreTrainedModel, dict[str, Any]]:
    """Return the model that `kind.from_pretrained` makes of a folder, and transformers' report on its keys.

    Names are read without their wrappers. `require_shapes` and `require_fit` judge the report.
    """
    names = [name for file in weight_files(folder, bins=False) for name in tensor_types(file)]
    if any(_WRAPPED.search(name) for name in names):
        how["key_mapping"] = WITHOUT_WRAPPERS
    model, info = kind.from_pretrained(
        folder,
        dtype=dtype,
        trust_remote_code=False,
        ignore_mismatched_sizes=True,  # named below
        output_loading_info=True,
        **how,
    )
    return model, info


def require_shapes(folder: Path, model: nn.Module, info: Mapping[str, Any]) -> None:
    """Raise ModelError for tensors of other shapes than the model's."""
    if not (wrong := sorted(info["mismatched_keys"])):
        return
    name, found, wanted = wrong[0]
    rest = message(" (and {n} more)", n=len(wrong) - 1) if len(wrong) > 1 else ""
    raise ModelError(
        message(
            "{folder}: {name} is {found} in the weights, and config.json makes it {wanted}{rest}",
            folder=folder,
            name=name,
            found=list(found),
            wanted=list(wanted),
            rest=rest,
        ),
        hint=message("{kind}: take config.json and weights from one save", kind=type(model).__name__),
    )


def require_fit(folder: Path, model: PreTrainedModel, info: Mapping[str, Any]) -> None:
    """Raise ModelError where a parameter is left without a value, or a tensor of the model without a place.

    Tensors of other models on the same trunk (a vision tower, a value head) may stay unread.
    """
    missing, unread = sorted(info["missing_keys"]), sorted(info["unexpected_keys"])
    if not missing:
        unread = [name for name in unread if _belongs(model, name)]
    if not missing and not unread:
        return
    parts = []
    if missing:
        said = "it lacks {n} of the weights of {kind} ({names})"
        parts.append(message(said, n=len(missing), kind=type(model).__name__, names=listed(missing)))
    if unread:
        said = "the model has no place for {n} of its tensors ({names})"
        parts.append(message(said, n=len(unread), names=listed(unread)))
    raise ModelError(
        message("the weights in {folder} do not fit: {parts}", folder=folder, parts=joined("; ", parts)),
        hint=message(
            "save the model itself again with save_pretrained, so that config.json describes its weights"
        ),
    )


def _belongs(model: nn.Module, name: str) -> bool:
    """Tell whether a tensor without a place is of an extra layer, or an extra tensor of a module."""
    if match := _NUMBER.search(name):  # a model without layers has no place for any
        holder = dict(model.named_modules()).get(name[: match.start()])
        if isinstance(holder, nn.ModuleList) and not len(holder):
            return True
    kinds = {_NUMBER.sub(".N.", own) for own, _ in model.named_parameters()}
    if _NUMBER.sub(".N.", name) in kinds:
        return True
    module, _, part = name.rpartition(".")
    if part not in ("weight", "bias"):
        return False
    holders = {own for own, one in model.named_modules() if any(True for _ in one.parameters(recurse=False))}
    return module in holders


def listed(names: Iterable[str]) -> str:
    """List the first few names, for a message."""
    names = list(names)
    return ", ".join(names[:SHOWN]) + (" …" if len(names) > SHOWN else "")


@torch.no_grad()
def require_finite(source: object, tensors: Iterable[tuple[str, Tensor]]) -> None:
    """Raise ModelError that names the tensors which hold a NaN or an infinity."""
    # The sum is one pass without a copy; it is not finite wherever an entry is not.
    suspects = [(n, t) for n, t in tensors if t.is_floating_point() and not t.sum().isfinite()]
    wrong = [name for name, tensor in suspects if not tensor.isfinite().all()]
    if wrong:
        raise ModelError(
            message(
                "{source}: not finite numbers are in {n} of its weights ({names})",
                source=source,
                n=len(wrong),
                names=listed(wrong),
            ),
            hint=message("they were saved after a run had diverged; take an earlier checkpoint"),
        )


def require_rows(model: PreTrainedModel, tokenizer: Any, source: object) -> None:
    """Raise ModelError for a tokenizer that writes tokens which the model has no embedding for.

    A pad token alone may be one: padding never enters the model.
    """
    embedding = model.get_input_embeddings()
    assert isinstance(embedding, nn.Module)
    rows = embedding.get_parameter("weight").shape[0]
    ends = {tokenizer.eos_token, tokenizer.bos_token, tokenizer.unk_token}
    vocabulary: dict[str, int] = tokenizer.get_vocab()
    beyond = sorted((at, token) for token, at in vocabulary.items() if at >= rows)
    beyond = [(at, token) for at, token in beyond if token != tokenizer.pad_token or token in ends]
    if beyond:
        raise ModelError(
            message(
                "{source}: the tokenizer has {n} tokens and the embedding {rows} rows: none for {tokens}",
                source=source,
                n=max(vocabulary.values()) + 1,
                rows=rows,
                tokens=listed(repr(token) for _, token in beyond),
            ),
            hint=message(
                "take the tokenizer of these weights, or enlarge them with resize_token_embeddings and save"
            ),
        )
