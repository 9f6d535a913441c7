"""Put an adapter on its base: every tensor of the adapter needs a place there, and every place a tensor.

PEFT leaves a place without a tensor at its initial draw, which merges to the bare base, and warns at most.
"""

import re
import warnings
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from peft import PeftConfig, PeftModel, get_peft_model, set_peft_model_state_dict
from peft.tuners.tuners_utils import BaseTunerLayer
from peft.utils.other import AuxiliaryTrainingWrapper
from safetensors.torch import load_file
from torch import Tensor, nn
from transformers import PreTrainedModel

from truing.core.errors import ModelError
from truing.core.messages import joined, message
from truing.models.folders import reading
from truing.models.load import load_tokenizer, quiet
from truing.models.patterns import PLAIN, PatternError, Patterns
from truing.models.results import ADAPTER_WEIGHTS
from truing.models.weights import listed, require_finite

_TABLES = ("embed_tokens", "wte", "embed_in", "word_embeddings", "lm_head", "embed_out")
_TOKENIZERS = ("tokenizer.json", "tokenizer_config.json", "tokenizer.model", "vocab.json", "vocab.txt")
_AGAIN = "save the adapter again from the model it was trained on, or name that model as its base"


def with_adapter(base: PreTrainedModel, folder: Path) -> PeftModel | PreTrainedModel:
    """Put the adapter of a folder on its base, in eval mode; merge it where it changes embeddings or head.

    A base with fewer tokens than the adapter's own embeddings grows to their number. Raises ModelError for
    tensors that do not fit, with the names of both sides, and for an adapter that changes more than weights.
    """
    config = _config_of(folder)
    _settle_patterns(config, folder, base)
    with reading(folder, message(_AGAIN)):
        tensors = load_file(folder / ADAPTER_WEIGHTS)
    require_finite(folder, tensors.items())
    _require_rank(config, tensors, folder)
    _grow(base, tensors, folder)
    try:
        with quiet(), warnings.catch_warnings(action="ignore"), torch.random.fork_rng():
            model = get_peft_model(base, config)
            found = set_peft_model_state_dict(model, dict(tensors), adapter_name="default")
    except (ValueError, RuntimeError, KeyError, TypeError, AttributeError, ArithmeticError) as error:
        raise ModelError(
            message("{folder} does not fit its base: {error}", folder=folder, error=_first_cause(error)),
            hint=message(_AGAIN),
        ) from error
    assert isinstance(model, PeftModel)
    # PEFT's own parts alone; the weights of the base are not in the file.
    unfilled = [name for name in found.missing_keys if ".default" in name and not _is_shared(model, name)]
    require_filled(folder, unfilled, list(found.unexpected_keys))
    return _plain_ends(model).eval()


def _plain_ends(model: PeftModel) -> PeftModel | PreTrainedModel:
    """Return the model unchanged if its embeddings and its head are plain layers, else merged."""
    inner: Any = model.get_base_model()
    ends = (inner.get_input_embeddings(), inner.get_output_embeddings())
    if not any(isinstance(end, BaseTunerLayer | AuxiliaryTrainingWrapper) for end in ends):
        return model
    return merged(model)


def merged(model: PeftModel | PreTrainedModel) -> PreTrainedModel:
    """Fold the adapter of a model, if it has one, into the weights."""
    with quiet():
        whole = model.merge_and_unload() if isinstance(model, PeftModel) else model
    assert isinstance(whole, PreTrainedModel)
    return whole


def _config_of(folder: Path) -> PeftConfig:
    hint = message("write the adapter again with PEFT's save_pretrained")
    with reading(folder, hint, "{folder} holds no adapter that PEFT opens: {error}"):
        config = PeftConfig.from_pretrained(str(folder))
    if config.is_prompt_learning or config.is_adaption_prompt:
        raise ModelError(
            message(
                "{folder} is a {kind} adapter, which puts learnt states before a text; truing reads adapters"
                " that change weights, such as LoRA",
                folder=folder,
                kind=str(getattr(config.peft_type, "value", config.peft_type)),
            ),
            hint=message("train a LoRA adapter instead"),
        )
    config.inference_mode = True
    return config


def _require_rank(config: PeftConfig, tensors: Mapping[str, Tensor], folder: Path) -> None:
    """Raise ModelError for a rank above every dimension of the weights: PEFT makes room before it looks."""
    sizes = (max(one.shape) for name, one in tensors.items() if ".lora_" in name and one.dim())
    most = max(sizes, default=None)
    asked = [getattr(config, "r", None), *(getattr(config, "rank_pattern", None) or {}).values()]
    wrong = [rank for rank in asked if isinstance(rank, int) and most is not None and rank > most]
    if wrong:
        said = "{folder}: its adapter_config.json says rank {rank}, above all sizes of its weights ({most})"
        raise ModelError(message(said, folder=folder, rank=max(wrong), most=most), hint=message(_AGAIN))


def _settle_patterns(config: PeftConfig, folder: Path, base: PreTrainedModel) -> None:
    """Put the names of modules in place of the patterns that stand for them, in bounded time.

    PEFT matches patterns with Python's `re`, for which one of an adapter from anybody can take years. Raises
    ModelError for a pattern that cannot be read or takes too long.
    """
    patterns = Patterns([name for name, _ in base.named_modules() if name])

    def matching(pattern: str) -> list[str]:
        try:
            return patterns.matching(pattern)
        except PatternError as error:
            said = "{folder}: the pattern {pattern} of its adapter_config.json is of no use: {error}"
            raise ModelError(
                message(said, folder=folder, pattern=repr(pattern[:80]), error=str(error)),
                hint=message("list the names of the modules instead"),
            ) from error

    for key in ("target_modules", "exclude_modules"):
        found = getattr(config, key, None)
        if isinstance(found, str) and found != "all-linear" and not PLAIN.fullmatch(found):
            setattr(config, key, matching(found))
    for key in ("rank_pattern", "alpha_pattern"):
        given: Mapping[str, Any] = getattr(config, key, None) or {}
        ranks: dict[str, Any] = {}
        for pattern, value in given.items():
            plain = PLAIN.fullmatch(pattern)
            for name in [pattern] if plain else map(re.escape, matching(rf"(.*\.)?({pattern})")):
                ranks.setdefault(name, value)
        if given:
            setattr(config, key, ranks)


def _first_cause(error: Exception) -> str:
    """Return the first line of an error that names the mistake; torch's very first line does not."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return next((line for line in lines if "mismatch" in line), lines[0] if lines else type(error).__name__)


def _is_shared(model: nn.Module, name: str) -> bool:
    """Tell whether a name is the second name of a shared parameter."""
    named = {own for own, _ in model.named_parameters()}
    return name not in named and name in dict(model.named_parameters(remove_duplicate=False))


def require_filled(folder: object, unfilled: Sequence[str], unplaced: Sequence[str]) -> None:
    """Raise ModelError where an adapter has a place without a tensor, or a tensor without a place."""
    if not unfilled and not unplaced:
        return
    parts = []
    if unplaced:
        said = "the base has no place for {n} of its tensors ({names})"
        parts.append(message(said, n=len(unplaced), names=listed(sorted(unplaced))))
    if unfilled:
        said = "it lacks {n} tensors that its adapter_config.json asks for ({names})"
        parts.append(message(said, n=len(unfilled), names=listed(sorted(unfilled))))
    raise ModelError(
        message("{folder} does not fit its base: {parts}", folder=folder, parts=joined("; ", parts)),
        hint=message(_AGAIN),
    )


def _tables(tensors: Mapping[str, Tensor]) -> Iterator[tuple[str, int]]:
    """Yield the full embeddings and heads of a file, and the number of tokens in each."""
    for name, tensor in tensors.items():
        parts = name.split(".")
        if parts[-1] == "weight" and "lora" not in name and any(part in _TABLES for part in parts):
            yield name, tensor.shape[0]


def _grow(base: PreTrainedModel, tensors: Mapping[str, Tensor], folder: Path) -> None:
    """Give the base as many rows as the adapter's own embeddings have, which then fill all rows."""
    embedding: Any = base.get_input_embeddings()
    rows, asked = embedding.weight.shape[0], dict(_tables(tensors))
    if not asked or set(asked.values()) == {rows}:
        return
    tied = base.get_output_embeddings() is None or base.config.get_text_config().tie_word_embeddings
    if len(set(asked.values())) > 1 or len(asked) < (1 if tied else 2):
        raise ModelError(
            message(
                "{folder} has {found} for a vocabulary of its own, and its base has {rows} rows in each of"
                " its embeddings and its head",
                folder=folder,
                found=", ".join(f"{name} of {n} rows" for name, n in asked.items()),
                rows=rows,
            ),
            hint=message(
                "save the adapter with both, the embeddings and the head, or resize the base before training"
            ),
        )
    base.resize_token_embeddings(next(iter(asked.values())), mean_resizing=False)


def tokenizer_of(folder: Path, base: Any) -> Any:
    """Return the tokenizer in an adapter's folder, or without one that of the base."""
    return load_tokenizer(folder) if any((folder / name).is_file() for name in _TOKENIZERS) else base
