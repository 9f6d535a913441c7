"""The parts of a decoder of the Llama family, read off the modules of a transformers or PEFT model.

The family is Llama, Mistral, Qwen2, Qwen3 and any model with the same modules under the same names. A model
with more or other modules raises `Unreadable`. A model with the same modules that computes something else
(multipliers, layers without positions) is found out by `decode.py`, which compares logits. To add a kind of
layer, recognise it here and compute it in `lean.py`.
"""

from collections.abc import Set
from dataclasses import dataclass
from typing import Any, cast

from peft import PeftModel
from peft.tuners.lora import Linear as LoraLinear
from peft.tuners.lora import LoraModel
from torch import Tensor, nn
from transformers import DynamicCache, PreTrainedModel
from transformers.activations import SiLUActivation
from transformers.cache_utils import DynamicLayer

from truing.kernels.families import ATTENTION, GATED, HEAD_NORMS, LAYER, STEADY_ROPE, TRUNK, WHOLE
from truing.kernels.layers import is_fused
from truing.kernels.logprobs import Head
from truing.models.scoring import head_of


class Unreadable(Exception):
    """The model is not, or not only, a decoder of the Llama family; the message names the difference."""


@dataclass(frozen=True)
class Adapter:
    """A low-rank addition to a linear layer: `scale * (x A') B'`."""

    a: Tensor  # [r, in]
    b: Tensor  # [out, r]
    scale: float


@dataclass(frozen=True)
class Linear:
    """`x W' + b` with its active adapters."""

    weight: Tensor  # [out, in]
    bias: Tensor | None  # [out]
    adapters: tuple[Adapter, ...]


@dataclass(frozen=True)
class Norm:
    """RMSNorm over the last axis."""

    weight: Tensor
    eps: float


@dataclass(frozen=True)
class Block:
    """One layer: attention, then a gated product, each on a normalised copy and added to its input."""

    before_attention: Norm
    query: Linear
    key: Linear
    value: Linear
    output: Linear
    query_norm: Norm | None  # over each head
    key_norm: Norm | None
    before_mlp: Norm
    gate: Linear
    up: Linear
    down: Linear


@dataclass(frozen=True)
class Structure:
    """A whole model."""

    embedding: Tensor  # [V, hidden]
    blocks: tuple[Block, ...]
    norm: Norm
    head: Head
    rotary: nn.Module  # (states, positions [1, n]) to cosines and sines [1, n, head_dim]
    heads: int
    shared: int  # heads to a key
    head_dim: int
    scale: float  # of attention scores

    @property
    def nbytes(self) -> int:
        """Count the bytes of all matrices."""
        linears = [part for block in self.blocks for part in vars(block).values() if isinstance(part, Linear)]
        return self.head.weight.nbytes + sum(linear.weight.nbytes for linear in linears)


def read_structure(model: PreTrainedModel | PeftModel) -> Structure:
    """Read the parts of a model, by reference: as they are now, adapters on or off. Raises `Unreadable`."""
    inner: Any = _undisturbed(model)
    trunk = inner.base_model
    _expect(inner, WHOLE)
    _expect(trunk, TRUNK)
    if any(type(layer) is not DynamicLayer for layer in DynamicCache(config=inner.config).layers):
        raise Unreadable("not every layer attends to all that came before")
    if trunk.rotary_emb.rope_type not in STEADY_ROPE:
        raise Unreadable(f"positions are of type {trunk.rotary_emb.rope_type}")
    if type(trunk.embed_tokens) is not nn.Embedding or type(inner.lm_head) is not nn.Linear:
        raise Unreadable("the embedding or the head is not a plain one")
    blocks = tuple(map(_block, trunk.layers))
    attention = trunk.layers[0].self_attn
    heads, keys = (len(linear.weight) // attention.head_dim for linear in (blocks[0].query, blocks[0].key))
    return Structure(
        embedding=trunk.embed_tokens.weight,
        blocks=blocks,
        norm=_norm(trunk.norm),
        head=head_of(inner),
        rotary=trunk.rotary_emb,
        heads=heads,
        shared=heads // keys,
        head_dim=attention.head_dim,
        scale=attention.scaling,
    )


def _undisturbed(model: PreTrainedModel | PeftModel) -> PreTrainedModel:
    """Return the transformers model inside. Raises `Unreadable` for hooks and replaced forwards."""
    for name, module in model.named_modules():
        # truing's own forwards give the same results as those of peft and transformers.
        own = isinstance(module, LoraLinear) or is_fused(module)
        replaced = "forward" in vars(module) and not own
        if module._forward_hooks or module._forward_pre_hooks or replaced:
            raise Unreadable(f"calls of {name or 'the model'} are hooked")
    if not isinstance(model, PeftModel):
        return model
    if not isinstance(model.base_model, LoraModel):
        raise Unreadable(f"the adapter is a {type(model.base_model).__name__}")
    return cast(PreTrainedModel, model.get_base_model())


def _expect(module: nn.Module, names: Set[str], optional: Set[str] = frozenset()) -> None:
    found = {name for name, _ in module.named_children()}
    if not names <= found <= names | optional:
        raise Unreadable(f"{type(module).__name__} has the parts {', '.join(sorted(found))}")


def _block(layer: Any) -> Block:
    _expect(layer, LAYER)
    attention, mlp = layer.self_attn, layer.mlp
    _expect(attention, ATTENTION, HEAD_NORMS)
    _expect(mlp, GATED)
    if not isinstance(mlp.act_fn, (nn.SiLU, SiLUActivation)):
        raise Unreadable(f"the activation is {type(mlp.act_fn).__name__}")
    if not hasattr(attention, "scaling") or not hasattr(attention, "head_dim"):
        raise Unreadable(f"{type(attention).__name__} does not say its scaling or the size of its heads")
    normed = hasattr(attention, "q_norm")
    return Block(
        before_attention=_norm(layer.input_layernorm),
        query=_linear(attention.q_proj),
        key=_linear(attention.k_proj),
        value=_linear(attention.v_proj),
        output=_linear(attention.o_proj),
        query_norm=_norm(attention.q_norm, attention.head_dim) if normed else None,
        key_norm=_norm(attention.k_norm, attention.head_dim) if normed else None,
        before_mlp=_norm(layer.post_attention_layernorm),
        gate=_linear(mlp.gate_proj),
        up=_linear(mlp.up_proj),
        down=_linear(mlp.down_proj),
    )


def _norm(module: Any, size: int | None = None) -> Norm:
    if [name for name, _ in module.named_parameters()] != ["weight"] or not hasattr(
        module, "variance_epsilon"
    ):
        raise Unreadable(f"the norm is a {type(module).__name__}")
    if size is not None and module.weight.shape != (size,):
        raise Unreadable("queries are normalised over all heads together")
    return Norm(module.weight, module.variance_epsilon)


def _linear(module: Any) -> Linear:
    adapters: tuple[Adapter, ...] = ()
    if type(module) is LoraLinear:
        adapters = _adapters(module)
        module = module.get_base_layer()
    if type(module) is not nn.Linear:
        raise Unreadable(f"a linear layer is a {type(module).__name__}")
    return Linear(module.weight, module.bias, adapters)


def _adapters(layer: Any) -> tuple[Adapter, ...]:
    """Return the adapters that are on and not merged into the weight."""
    if layer.disable_adapters and layer.merged:
        raise Unreadable("a merged adapter is switched off")
    if layer.disable_adapters or layer.merged:
        return ()
    names = [name for name in layer.active_adapters if name in layer.lora_A]
    if layer.lora_variant or layer.fan_in_fan_out or any(layer.lora_bias[name] for name in names):
        raise Unreadable("an adapter is more than plain LoRA")
    return tuple(
        Adapter(layer.lora_A[name].weight, layer.lora_B[name].weight, layer.scaling[name]) for name in names
    )
