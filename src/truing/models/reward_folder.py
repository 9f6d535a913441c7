"""Reward folders: opened with the head of any known toolkit, written for transformers.

`reward_heads` finds the heads of other toolkits. A folder without a head is a base model and gets a new one.

A linear head has no bias here, as in transformers. A value head's bias moves every score by the same
amount. No preference depends on it and a Bradley-Terry loss never trains it; it is left out of the scores,
kept as `reward_bias` in the config, and written back into value_head.safetensors.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from functools import partial
from pathlib import Path
from typing import Any, Literal

import torch
from peft import PeftModel
from safetensors import safe_open
from safetensors.torch import save_file
from torch import nn
from transformers import AutoConfig, AutoModelForSequenceClassification, PreTrainedModel

from truing.core.errors import ModelError
from truing.core.messages import message
from truing.kernels.families import LINEAR_SCORE
from truing.models.adapters import merged, tokenizer_of, with_adapter
from truing.models.export import export_folder
from truing.models.folders import reading
from truing.models.load import load_tokenizer, quiet
from truing.models.results import ADAPTER_CONFIG, ADAPTER_WEIGHTS
from truing.models.reward import linear_head
from truing.models.reward_heads import SIDE_FILES, VALUE_HEAD, StoredHead, stored_heads
from truing.models.sources import require_base, resolve
from truing.models.weights import opened, require_finite, require_fit, require_rows, require_shapes

_HEADS = (LINEAR_SCORE, "classifier")  # of decoders and encoders, as PEFT saves them beside an adapter


class HeadOrigin(Enum):
    """The origin of the head of an opened reward model."""

    NEW = "drawn from the seed: the folder is a base model"
    OWN = "read under the model's own names"
    VALUE_HEAD = "read under the names of another toolkit"


@dataclass(frozen=True)
class RewardModel:
    """A reward model in eval mode, and the facts found while opening it."""

    model: PreTrainedModel
    tokenizer: Any  # its pad token is the one the model passes over
    head: HeadOrigin
    bias: float = 0.0  # what the folder's own toolkit would add to every score


def load_reward(
    folder: Path,
    dtype: torch.dtype,
    device: torch.device,
    *,
    seed: int = 0,
    require_head: bool = False,
    import_bin: bool = False,
) -> RewardModel:
    """Load the one-label classifier of a folder that holds a reward model or a base model.

    A new linear head is drawn from N(0, 1 / (D + 1)), arXiv:2009.01325; a new encoder's head
    as transformers draws it. Both depend on `seed` alone. Raises ModelError for a head of another size, for
    two heads that differ, for backbone weights that are missing, without a head where `require_head`, and
    for a head or weights that only a .bin file holds, which `import_bin` alone reads. An adapter that was
    trained with its head is merged into its base, in float32.
    """
    if (folder / ADAPTER_CONFIG).is_file():
        return _merged(folder, dtype, device)
    # Before transformers reads the same files: its errors would be less plain.
    stored = stored_heads(folder, import_bin=import_bin)
    tokenizer = load_tokenizer(folder)
    model, fresh = _open(folder, dtype, seed, import_bin)
    if linear_head(model) is None:
        _refuse_value_heads(folder, model, stored)
        origin = HeadOrigin.NEW if fresh else HeadOrigin.OWN
    else:
        origin = _fill_head(folder, model, stored, fresh, seed)
    if origin is HeadOrigin.NEW and require_head:
        raise ModelError(
            f"{folder} holds no reward head: neither the weights of one for {type(model).__name__}"
            f" nor {' or '.join(SIDE_FILES)}",
            hint="train one with `method: reward`, or name the folder that a reward run wrote",
        )
    require_finite(folder, model.named_parameters())
    require_rows(model, tokenizer, folder)
    bias = next((head.bias for head in stored if head.bias), 0.0)
    if bias:
        model.config.reward_bias = bias
    _settle_padding(model, tokenizer, keep=origin is HeadOrigin.OWN)
    model.to(device)  # pyright: ignore[reportArgumentType]
    return RewardModel(model.eval(), tokenizer, origin, getattr(model.config, "reward_bias", 0.0))


def _merged(folder: Path, dtype: torch.dtype, device: torch.device) -> RewardModel:
    """Load the base of an adapter, with the adapter and the head beside it folded in."""
    with safe_open(folder / ADAPTER_WEIGHTS, "pt") as file:
        names = list(file.keys())
    if not any(part in name.split(".") for name in names for part in _HEADS):
        raise ModelError(
            message("{folder} holds an adapter without a reward head", folder=folder),
            hint=message(
                "write it again with modules_to_save=['score'], or name the reward run that made it"
            ),
        )
    # The head of the base, if it has one, is the adapter's in the end.
    base = load_reward(resolve(require_base(folder)).path, torch.float32, torch.device("cpu"))
    whole = merged(with_adapter(base.model, folder))
    tokenizer = tokenizer_of(folder, base.tokenizer)
    require_rows(whole, tokenizer, folder)
    _settle_padding(whole, tokenizer, keep=False)
    whole.to(device, dtype)  # pyright: ignore[reportArgumentType, reportCallIssue]
    return RewardModel(whole.eval(), tokenizer, HeadOrigin.OWN, base.bias)


def _open(folder: Path, dtype: torch.dtype, seed: int, import_bin: bool) -> tuple[PreTrainedModel, bool]:
    """Open the model with the head under its own names; return it, and whether part of the head is new."""
    hint = message("a reward model is a decoder or an encoder that AutoModelForSequenceClassification opens")
    with reading(folder, hint), quiet(), torch.random.fork_rng():
        torch.manual_seed(seed)
        config = AutoConfig.from_pretrained(folder, trust_remote_code=False)
        if config.is_encoder_decoder:
            raise ValueError("it is an encoder-decoder")
        # transformers would read the named file, a pickle too, whatever `use_safetensors` says.
        if named := getattr(config, "transformers_weights", None):
            raise ValueError(f"its config.json names weights of its own: transformers_weights {named}")
        kind, safe = AutoModelForSequenceClassification, None if import_bin else True
        model, info = opened(kind, folder, dtype, num_labels=1, use_safetensors=safe)
    trunk = f"{model.base_model_prefix}."
    _require_one_label(folder, [one for one in info["mismatched_keys"] if not one[0].startswith(trunk)])
    require_shapes(folder, model, info)
    fresh = any(not name.startswith(trunk) for name in info["missing_keys"])
    lost = [n for n in sorted(info["missing_keys"]) if n.startswith(trunk) and not (fresh and "pooler" in n)]
    require_fit(folder, model, {**info, "missing_keys": lost})
    return model, fresh


def _require_one_label(folder: Path, mismatched: list[tuple[str, Any, Any]]) -> None:
    """Raise ModelError for a head that gives more than one number."""
    if mismatched:
        name, found, _ = min(mismatched)
        raise ModelError(
            message(
                "{folder} has {n} labels ({name} is {shape}), and a reward model gives one score",
                folder=folder,
                n=found[0],
                name=name,
                shape=list(found),
            ),
            hint=message("a classifier with more labels cannot be read as a reward model"),
        )


def _fill_head(
    folder: Path, model: PreTrainedModel, stored: list[StoredHead], fresh: bool, seed: int
) -> HeadOrigin:
    """Fill the linear head with the one that the folder holds under another name, or with a new draw."""
    weight = model.get_parameter("score.weight")
    for head in stored:
        if head.weight.shape != weight.shape:
            raise ModelError(
                f"{folder}: {head.where} is {list(head.weight.shape)}, and a reward head of this"
                f" {type(model).__name__} is {list(weight.shape)}",
                hint="the head belongs to another model; remove it, or use its own backbone",
            )
        if not head.weight.equal(stored[0].weight):
            raise ModelError(
                f"{folder} holds two heads that differ: {stored[0].where} and {head.where}",
                hint="keep the one that was trained last and remove the other",
            )
    if not fresh:
        return HeadOrigin.OWN
    if stored:
        weight.data.copy_(stored[0].weight)
        return HeadOrigin.VALUE_HEAD
    draw = torch.randn(weight.shape, generator=torch.Generator().manual_seed(seed))
    weight.data.copy_(draw / (weight.shape[1] + 1) ** 0.5)
    return HeadOrigin.NEW


def _refuse_value_heads(folder: Path, model: PreTrainedModel, stored: list[StoredHead]) -> None:
    if stored:
        raise ModelError(
            f"{folder} holds {stored[0].where}, and {type(model).__name__} pools and scores in its own way",
            hint="a value head belongs to a decoder; remove it to use the encoder's own classifier",
        )


def _settle_padding(model: PreTrainedModel, tokenizer: Any, *, keep: bool) -> None:
    """Make model and tokenizer agree on a pad token, so that padded and plain text are pooled alike.

    A head that was trained in transformers keeps its pad token. Any other head gets one that no text
    ends in: with the end token as pad token, the end token of every text would be skipped too.
    """
    config = model.config.get_text_config()
    known = config.pad_token_id is not None and 0 <= config.pad_token_id < len(tokenizer)
    if known and (keep or linear_head(model) is None):
        tokenizer.pad_token = tokenizer.convert_ids_to_tokens(config.pad_token_id)
        return
    candidates = (tokenizer.pad_token, tokenizer.unk_token, tokenizer.bos_token)
    free = [token for token in candidates if token is not None and token != tokenizer.eos_token]
    if free:
        tokenizer.pad_token = free[0]
    else:
        tokenizer.add_special_tokens({"pad_token": "<|pad|>"})
    config.pad_token_id = tokenizer.pad_token_id
    embedding = model.get_input_embeddings()
    assert isinstance(embedding, nn.Embedding)
    if tokenizer.pad_token_id >= embedding.num_embeddings:
        # Its row is never read where it counts, so zeros do, and do not depend on a draw.
        grown = model.resize_token_embeddings(tokenizer.pad_token_id + 1, mean_resizing=False)
        grown.weight.data[tokenizer.pad_token_id] = 0.0


def save_reward(
    model: PreTrainedModel | PeftModel,
    tokenizer: Any,
    target: Path,
    layout: Literal["transformers", "value_head"] = "transformers",
    *,
    dtype: torch.dtype | None = None,
    facts: Mapping[str, Any] | None = None,
) -> Path:
    """Write a folder that AutoModelForSequenceClassification opens with the same logits; return it.

    An adapter is merged, with the head that was trained beside it. `value_head` adds the head as
    value_head.safetensors, which needs a linear head. `dtype`, `facts` and an existing `target` are
    treated as in `export_folder`.
    """
    inner = model.get_base_model() if isinstance(model, PeftModel) else model
    assert isinstance(inner, PreTrainedModel)
    linear = linear_head(inner) is not None
    if layout == "value_head" and not linear:
        raise ModelError(
            f"{type(inner).__name__} has no linear head to write as {VALUE_HEAD}",
            hint="leave the layout at transformers: the folder holds the encoder's own classifier",
        )
    pad = inner.config.get_text_config().pad_token_id
    if linear and tokenizer.pad_token_id != pad:
        raise ModelError(
            f"the tokenizer pads with token {tokenizer.pad_token_id}, and the model passes over {pad}",
            hint="save the tokenizer that `load_reward` returned",
        )
    known = dict(facts or {})
    known["tags"] = ["reward-model", *known.get("tags", ())]
    how: dict[str, Any] = {"merge": True, "dtype": dtype, "facts": known}
    if layout == "value_head":
        how["beside"] = partial(_add_value_head, bias=getattr(inner.config, "reward_bias", 0.0))
    return export_folder(model, tokenizer, target, **how)


def _add_value_head(folder: Path, bias: float) -> None:
    """Put the head of an export beside the weights that are written."""
    (head,) = stored_heads(folder)
    tensors = {"v_head.summary.weight": head.weight, "v_head.summary.bias": torch.tensor([bias])}
    save_file(tensors, folder / VALUE_HEAD)
