"""Make a policy ready to train: load weights, add adapters, freeze layers."""

import json
import logging
import re
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import nn
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedModel
from transformers.utils import logging as hf_logging

from truing.config.recipe import Lora
from truing.core.errors import ConfigError, ModelError
from truing.core.messages import message
from truing.data.templates import with_arguments
from truing.kernels.families import (
    before_scores,
    follows_layers,
    has_learned_positions,
    not_adapted,
    positions_of,
)
from truing.models.folders import reading, refuse_reward
from truing.models.patterns import PLAIN, PatternError, Patterns
from truing.models.weights import opened, require_finite, require_fit, require_shapes

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}
# [CLS] prompt [SEP] response [SEP], the ids such models were trained on.
SEPARATED = "{{ cls_token }}{% for message in messages %}{{ message['content'] + sep_token }}{% endfor %}"
_DEVICE = re.compile(r"(cpu|cuda|mps)(?::(\d+))?")


# transformers asks for a mask where a padding id is among the tokens; what is scored here holds no padding.
_ASKED = "We strongly recommend passing in an `attention_mask`"
logging.getLogger("transformers.modeling_utils").addFilter(
    lambda record: not record.getMessage().startswith(_ASKED)
)


def pick_device(asked: str) -> torch.device:
    """Return the device; `auto` is CUDA if present. Raises ConfigError for an unknown or absent device."""
    if asked == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    match = _DEVICE.fullmatch(asked)
    if match is None:
        raise ConfigError(
            message("device is {asked!r}: expected auto, cpu, cuda, cuda:NUMBER or mps", asked=asked),
            hint=message("device: auto takes CUDA where there is one"),
        )
    kind, number = match[1], int(match[2] or 0)
    count = {"cpu": 1, "cuda": torch.cuda.device_count(), "mps": int(torch.backends.mps.is_available())}[kind]
    if number >= count:
        raise ConfigError(
            message(
                "device is {asked}, and PyTorch finds {count} devices of that kind here",
                asked=asked,
                count=count,
            ),
            hint=message("set device: auto or cpu; a GPU needs a build of PyTorch for it, and its driver"),
        )
    return torch.device(asked)


@contextmanager
def quiet() -> Iterator[None]:
    """Silence transformers in the block: it reports errors only and draws no progress bars.

    Its warnings about names that PEFT and older releases read, and that it will drop, are silenced too.
    """
    verbosity, bars = hf_logging.get_verbosity(), hf_logging.is_progress_bar_enabled()
    hf_logging.set_verbosity_error()
    hf_logging.disable_progress_bar()
    try:
        with warnings.catch_warnings():
            old = r".(is_)?gradient_checkpointing(_enable)?. is deprecated"
            warnings.filterwarnings("ignore", old, FutureWarning)
            yield
    finally:
        hf_logging.set_verbosity(verbosity)
        if bars:
            hf_logging.enable_progress_bar()


def load_model(folder: Path, dtype: torch.dtype, device: torch.device) -> PreTrainedModel:
    """Load the causal language model of a folder, in eval mode.

    Raises ModelError for a folder of another kind, and for weights that do not fit or are not finite.
    """
    refuse_reward(folder)
    with reading(folder, message("a policy is a causal language model")), quiet():
        try:
            model, info = opened(AutoModelForCausalLM, folder, dtype)
        except ValueError as error:
            if "Unrecognized configuration class" not in str(error):
                raise
            raise _not_causal(folder) from error
    require_shapes(folder, model, info)
    require_fit(folder, model, info)
    require_finite(folder, model.named_parameters())
    model.to(device)  # pyright: ignore[reportArgumentType]
    return model.eval()


def _not_causal(folder: Path) -> ModelError:
    """Make the error for a folder of another kind of model."""
    kind = json.loads((folder / "config.json").read_bytes()).get("model_type")
    said = "{folder} is of the family {kind}, which is no causal language model"
    hint = message("a policy is a causal language model")
    return ModelError(message(said, folder=folder, kind=kind), hint=hint)


def load_tokenizer(folder: Path, arguments: Mapping[str, Any] | None = None) -> Any:
    """Load the tokenizer of a folder; a model without one cannot read rows.

    `arguments` become the defaults of its chat template, also in every saved copy of the tokenizer. A
    tokenizer that frames text as BERT's does, without a chat template, writes turns as `SEPARATED`.
    """
    hint = message("copy tokenizer.json and tokenizer_config.json of the base model into it")
    with reading(folder, hint, "{folder} has no tokenizer that can be loaded: {error}"):
        tokenizer = AutoTokenizer.from_pretrained(folder, trust_remote_code=False)
        if not isinstance(tokenizer.model_max_length, int | float):
            raise ValueError(f"model_max_length is {tokenizer.model_max_length!r}")
    framed = tokenizer.cls_token is not None and tokenizer.sep_token is not None
    if framed and not tokenizer.chat_template and tokenizer.eos_token in (None, tokenizer.sep_token):
        tokenizer.chat_template = SEPARATED
    tokenizer.chat_template = with_arguments(tokenizer.chat_template, arguments or {})
    return tokenizer


def ids_of(value: Any) -> frozenset[int]:
    """Return the ids under `eos_token_id`: one, several, or none."""
    return frozenset(value if isinstance(value, list | tuple) else [] if value is None else [value])


def ends_of(folder: Path) -> frozenset[int]:
    """Return the ids that end a response of a folder's model, by its generation config, else its config."""
    for name in ("generation_config.json", "config.json"):
        if (folder / name).is_file():
            return ids_of(json.loads((folder / name).read_bytes()).get("eos_token_id"))
    return frozenset()


def context_of(model: Any, tokenizer: Any) -> int:
    """Return the most tokens that a model was made to read at once."""
    positions = positions_of(model.config.get_text_config())
    return min(positions or tokenizer.model_max_length, tokenizer.model_max_length)


def require_positions(model: PreTrainedModel, tokenizer: Any, longest: int) -> None:
    """Raise ConfigError for rows longer than the table of learned positions that some families have."""
    if has_learned_positions(model) and longest > (most := context_of(model, tokenizer)):
        raise ConfigError(
            f"the longest row has {longest} tokens, and {type(model).__name__} has {most} positions",
            hint=f"set data.max_tokens: {most}; data.truncation says what becomes of longer rows",
        )


def add_adapter(
    model: PreTrainedModel,
    lora: Lora,
    *,
    dropout: bool,
    seed: int,
    trained: torch.dtype,
    task: str = "CAUSAL_LM",
) -> nn.Module:
    """Add a fresh LoRA adapter to the model; only the adapter trains. Its draw depends on `seed` alone.

    `task` is PEFT's name of the task; under SEQ_CLS the head of a reward model trains too, in full.
    """
    from peft import LoraConfig, get_peft_model

    config = LoraConfig(
        r=lora.r,
        lora_alpha=lora.effective_alpha,  # pyright: ignore[reportArgumentType]
        lora_dropout=lora.dropout if dropout else 0.0,
        target_modules=_targets(model, lora),
        use_dora=lora.dora,
        use_rslora=lora.rslora,
        exclude_modules=_excluded(model, lora, task),
        task_type=task,
    )
    with torch.random.fork_rng(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.manual_seed(seed)
        try:
            wrapped = get_peft_model(model, config)
        except ValueError as error:
            raise ConfigError(f"lora.targets {lora.targets!r}: {error}") from error
    for parameter in wrapped.parameters():
        if parameter.requires_grad:
            parameter.data = parameter.data.to(trained)
    return wrapped


def _targets(model: PreTrainedModel, lora: Lora) -> str | list[str]:
    """Return what PEFT adapts; a pattern as the names it matches. Raises ConfigError for one of no use."""
    if not isinstance(lora.targets, str):
        return list(lora.targets)
    if PLAIN.fullmatch(lora.targets):
        return lora.targets
    try:
        found = Patterns([name for name, _ in model.named_modules() if name]).matching(lora.targets)
    except PatternError as error:
        said = "lora.targets: the pattern {pattern} is of no use: {error}"
        raise ConfigError(
            message(said, pattern=repr(lora.targets[:80]), error=str(error)),
            hint=message("list the names of the modules instead"),
        ) from error
    return found or [lora.targets]  # which PEFT then misses by its name


def _excluded(model: PreTrainedModel, lora: Lora, task: str) -> list[str] | None:
    """List the modules of `all-linear` that may have no adapter."""
    found = before_scores() if task == "SEQ_CLS" else []  # PEFT would adapt them and train them in full
    if lora.targets == "all-linear":
        found += not_adapted(model.config.model_type)
    return found or None


def layers_of(model: PreTrainedModel, asking: str) -> nn.ModuleList:
    """Return the list of a model's layers. Raises ModelError, which names the key `asking` for it."""
    trunk = model.base_model
    assert isinstance(trunk, nn.Module)
    count = model.config.get_text_config().num_hidden_layers
    # The outermost comes first: experts inside a layer may be a list of the same length.
    lists = [m for m in trunk.modules() if isinstance(m, nn.ModuleList) and len(m) == count]
    if not lists:
        raise ModelError(f"{type(model).__name__} has no list of layers; {asking} cannot be used with it")
    return lists[0]


def freeze_below(model: PreTrainedModel, top_layers: int, *, head: bool = False) -> None:
    """Leave only the top N layers, the parts behind them (final norm, pooler) and a reward `head` trainable.

    Embeddings and the output head of a language model are frozen. Raises ConfigError when the model has fewer
    layers, ModelError when it has no list of layers.
    """
    trunk = model.base_model
    assert isinstance(trunk, nn.Module)
    layers = layers_of(model, "top_layers")
    if top_layers > (count := len(layers)):
        raise ConfigError(f"top_layers is {top_layers}, but the model has {count} layers")
    model.requires_grad_(head)
    trunk.requires_grad_(False)
    for layer in layers[count - top_layers :]:
        layer.requires_grad_(True)
    inside = {id(parameter) for parameter in layers.parameters()}
    for name, parameter in trunk.named_parameters():
        if id(parameter) not in inside and follows_layers(name):
            parameter.requires_grad_(True)


def without_adapter(model: nn.Module) -> str | None:
    """Say how many of the weights are experts that no adapter reaches; None for a model without any.

    Many families keep the experts of a layer in one tensor of three axes, which is no linear layer.
    """
    named = [(name, p) for name, p in model.named_parameters() if p.dim() == 3 and "expert" in name]
    left = [p for name, p in named if not p.requires_grad and "lora_" not in name]
    if not left or not any("lora_" in name for name in trainable(model)):
        return None
    share = sum(p.numel() for p in left) / sum(p.numel() for p in model.parameters())
    return message(
        "lora.targets reaches no expert: {n} tensors of experts, {share:.0%} of all weights, do not train",
        n=len(left),
        share=share,
    )


def trainable(model: nn.Module) -> dict[str, nn.Parameter]:
    """Return the parameters that train, by name, as a checkpoint holds them. Tied weights appear once."""
    return {name: p for name, p in model.named_parameters() if p.requires_grad}


def silence_dropout(model: nn.Module, *, keep_adapter: bool) -> None:
    """Switch dropout off in place, but for the adapter's own where `keep_adapter`.

    A policy compared with a reference must see the same network: dropout in one of them alone moves the
    first step's loss away from log 2.
    """
    for name, module in model.named_modules():
        if isinstance(module, nn.Dropout) and not (keep_adapter and "lora_dropout" in name):
            module.p = 0.0
        # Families that call the functional form keep the rate in an attribute, each under its own name.
        for attribute, value in vars(module).items():
            if "drop" in attribute and isinstance(value, float):
                vars(module)[attribute] = 0.0
