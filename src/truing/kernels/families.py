"""Names of the parts of model families, where transformers has no common name for them.

A row of `FAMILIES` is a family with its particular names. To add one, add a row, and its tiny model to
`tests/models/test_families.py`. Any model is read with the names of all rows, since families borrow names
from one another. Layouts and decoders are compared with the model's own numbers before they are used. Only
`no_adapter` depends on the family, which is the `model_type` of its config.

The Llama family's decoders have forwards and a decode step of their own. Their parts are named here too.
"""

import inspect
import math
import re
from dataclasses import dataclass
from typing import Any

from torch import nn

# Modules of a decoder of the Llama family: Mistral, Qwen, SmolLM and many more have the same.
WHOLE = frozenset({"model", "lm_head"})
TRUNK = frozenset({"embed_tokens", "layers", "norm", "rotary_emb"})
LAYER = frozenset({"self_attn", "mlp", "input_layernorm", "post_attention_layernorm"})
ATTENTION = frozenset({"q_proj", "k_proj", "v_proj", "o_proj"})
HEAD_NORMS = frozenset({"q_norm", "k_norm"})  # Qwen3 has them
GATED = frozenset({"gate_proj", "up_proj", "down_proj", "act_fn"})
# Frequencies of rotary positions of other kinds depend on how long the longest row of a batch is.
STEADY_ROPE = ("default", "linear", "llama3", "yarn")
LINEAR_SCORE = "score"  # the head of a reward model on any decoder


@dataclass(frozen=True)
class Family:
    """A family by the `model_type` of its configs, with its names; an empty field: it has no such part."""

    kinds: tuple[str, ...]
    after: str = ""  # the module of the trunk that follows its last layer
    positions: str = ""  # the table of learned positions
    multiplies: str = ""  # the key of its config that logits are multiplied by
    divides: str = ""  # the key that they are divided by
    caps: str = ""  # the key under which they are soft-capped
    caps_attention: str = ""  # the key under which the scores of attention are
    no_adapter: tuple[str, ...] = ()  # linear layers that it reads past: PEFT puts no adapter on them
    before_score: str = ""  # a layer before the head of a classifier, which PEFT trains in full by itself


_MAMBA = ("out_proj", "conv1d")
FAMILIES = (
    Family(
        ("llama", "mistral", "mixtral", "qwen2", "qwen3", "qwen3_moe", "phi3", "gemma3_text"), after="norm"
    ),
    Family(("gpt2",), after="ln_f", positions="wpe"),
    Family(("openai-gpt",), positions="positions_embed"),
    Family(("opt",), after="final_layer_norm", positions="embed_positions"),
    Family(("biogpt",), after="layer_norm", positions="embed_positions"),
    Family(("xglm",), after="layer_norm"),
    Family(("gpt_neox",), after="final_layer_norm"),
    Family(("phi",), after="final_layernorm"),
    Family(("ctrl",), after="layernorm"),
    Family(("bloom", "falcon"), after="ln_f"),
    Family(("rwkv",), after="ln_out"),
    Family(("modernbert",), after="final_norm"),
    Family(("bert",), after="pooler", positions="position_embeddings"),
    Family(("distilbert",), positions="position_embeddings", before_score="pre_classifier"),
    Family(("mamba", "mamba2", "falcon_mamba", "nemotron_h"), after="norm_f", no_adapter=_MAMBA),
    Family(("falcon_h1",), after="final_layernorm", no_adapter=_MAMBA),
    Family(("cohere",), after="norm", multiplies="logit_scale"),
    Family(("granite",), after="norm", divides="logits_scaling"),
    Family(
        ("gemma2",), after="norm", caps="final_logit_softcapping", caps_attention="attn_logit_softcapping"
    ),
)


def _names(field: str) -> list[str]:
    """List the values of a field in all rows, each once."""
    return list(dict.fromkeys(said for family in FAMILIES if (said := getattr(family, field))))


_AFTER = re.compile(rf"((en|de)coder\.)?({'|'.join(_names('after'))})\..*")
_POSITIONS = re.compile(rf"({'|'.join(_names('positions'))})$")


def follows_layers(name: str) -> bool:
    """Tell whether a parameter of a trunk, by its name, belongs to a part behind the last layer."""
    return _AFTER.fullmatch(name) is not None


def has_learned_positions(model: nn.Module) -> bool:
    """Tell whether a model has a table of positions, which has no entry for longer rows."""
    tables = (name for name, module in model.named_modules() if isinstance(module, nn.Embedding))
    return any(_POSITIONS.search(name) for name in tables)


def not_adapted(kind: str) -> list[str]:
    """Return the linear layers that `all-linear` must leave out in models of this `model_type`."""
    return [name for family in FAMILIES if kind in family.kinds for name in family.no_adapter]


def before_scores() -> list[str]:
    """Return the layers that stand before the head of a classifier."""
    return _names("before_score")


def logit_rule(config: Any) -> tuple[float, float | None]:
    """Return scale and cap of the logits of a model with this text config: cap * tanh(scale * x / cap)."""
    scale = math.prod(_read(config, key) or 1.0 for key in _names("multiplies"))
    scale = scale / math.prod(_read(config, key) or 1.0 for key in _names("divides"))
    return scale, next(filter(None, (_read(config, key) for key in _names("caps"))), None)


def caps_attention(config: Any) -> bool:
    """Tell whether a model with this text config soft-caps the scores of its attention."""
    return any(_read(config, key) for key in _names("caps_attention"))


def _read(config: Any, key: str) -> float | None:
    return getattr(config, key, None)  # only the configs of some families have it


def attention_kind(config: Any, layer: int) -> str:
    """Return the name of a layer's attention: `full_attention`, `sliding_attention` or another word."""
    types = getattr(config, "layer_types", None)  # families use one of two ways
    windowed = "sliding_attention" if getattr(config, "sliding_window", None) else "full_attention"
    return types[layer] if types else windowed


def positions_of(config: Any) -> int | None:
    """Return the number of positions in this text config; None for ALiBi and recurrent models."""
    return getattr(config, "max_position_embeddings", None)


def is_recurrent(model: nn.Module) -> bool:
    """Tell whether a model keeps its past in a recurrent state, as Mamba and similar models do."""
    return "cache_params" in inspect.signature(model.forward).parameters
