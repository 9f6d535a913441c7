"""A layer's parts against what transformers computes, which stays the measure."""

import copy
from collections.abc import Callable
from typing import Any

import pytest
import torch
from peft import LoraConfig, get_peft_model
from torch import Tensor, nn
from transformers import CohereConfig, GemmaConfig, LlamaConfig, MistralConfig, Qwen2Config, Qwen3Config
from transformers.models.auto.modeling_auto import AutoModelForCausalLM

from truing.data.packing import pack
from truing.data.trees import Branch, Tree
from truing.kernels.fused import fuse
from truing.kernels.layers import attended, fuse_layers, is_fused, normed
from truing.models.scoring import Scorer

SMALL: dict[str, Any] = {
    "vocab_size": 64,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 8,
}
TREES = [
    Tree([5, 6, 7], (Branch([8, 9], [True, True]), Branch([10, 11, 12], [True] * 3))),
    Tree([13, 14], (Branch([15, 16, 17], [False, True, True]),)),
]


def model(config: type = LlamaConfig, *, fused: bool = False, adapter: bool = True) -> nn.Module:
    torch.manual_seed(0)
    made = AutoModelForCausalLM.from_config(config(**SMALL))
    if adapter:
        made = get_peft_model(
            made, LoraConfig(r=4, target_modules="all-linear", init_lora_weights=False, lora_alpha=8)
        )
    if fused:
        fuse(made)
        fuse_layers(made)
    return made.train()


def results(made: nn.Module) -> list[Tensor]:
    """Log-probabilities of packed trees, and the gradient of every trained weight."""
    logps = Scorer(made, layout="trees")(pack(TREES)).logps
    weights = torch.linspace(-1, 1, len(logps))
    trained = [p for p in made.parameters() if p.requires_grad]
    return [logps, *torch.autograd.grad((logps * weights).sum(), trained)]


def forwards(made: nn.Module) -> list[Callable]:
    return [vars(module)["forward"].__func__ for module in made.modules() if is_fused(module)]


@pytest.mark.parametrize("adapter", [True, False], ids=["adapter", "whole"])
@pytest.mark.parametrize(
    ("config", "attentions", "norms"),
    [
        (LlamaConfig, 2, 5),
        (Qwen2Config, 2, 5),  # with biases
        (Qwen3Config, 0, 9),  # with a norm on queries and keys
        (MistralConfig, 0, 5),  # with a window
        (GemmaConfig, 2, 0),  # whose norm is x (1 + w)
        (CohereConfig, 0, 0),  # which turns neighbouring numbers, and takes the mean off
    ],
    ids=lambda value: getattr(value, "model_type", None),
)
def test_numbers_and_gradients_are_those_of_transformers(
    config: type, attentions: int, norms: int, adapter: bool
) -> None:
    plain, fused = model(config, adapter=adapter), model(config, adapter=adapter, fused=True)
    found = forwards(fused)
    assert (found.count(attended), found.count(normed)) == (attentions, norms)
    for mine, theirs in zip(results(fused), results(plain), strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-4, atol=1e-5 * float(theirs.detach().abs().max()))


def test_outside_of_packed_trees_a_module_runs_its_own_forward() -> None:
    plain, fused = model(), model(fused=True)
    ids = torch.tensor([[5, 6, 7, 8]])
    out, expected = fused(input_ids=ids, use_cache=True), plain(input_ids=ids, use_cache=True)
    torch.testing.assert_close(out.logits, expected.logits)
    following = {"input_ids": torch.tensor([[9]])}
    torch.testing.assert_close(
        fused(**following, past_key_values=out.past_key_values).logits,
        plain(**following, past_key_values=expected.past_key_values).logits,
    )


def test_the_adapter_switched_off_and_partly_there() -> None:
    plain, fused = model(), model(fused=True)
    with plain.disable_adapter(), fused.disable_adapter():
        torch.testing.assert_close(*(Scorer(m, layout="trees")(pack(TREES)).logps for m in (fused, plain)))
    torch.manual_seed(0)
    partly = AutoModelForCausalLM.from_config(LlamaConfig(**SMALL))
    config = LoraConfig(r=4, target_modules=["q_proj", "up_proj"], init_lora_weights=False)
    plain = get_peft_model(partly, config)
    fused = copy.deepcopy(plain)
    fuse(fused)
    fuse_layers(fused)
    for mine, theirs in zip(results(fused), results(plain), strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-4, atol=1e-5)


def test_a_hook_on_a_joined_layer_is_called() -> None:
    fused, seen = model(fused=True), []
    layers = [module for name, module in fused.named_modules() if name.endswith(("k_proj", "up_proj"))]
    for layer in layers:
        layer.register_forward_hook(lambda *given: seen.append(given[0]))
    Scorer(fused, layout="trees")(pack(TREES))
    assert seen == layers


def test_bfloat16_keeps_the_forwards_of_transformers() -> None:
    low = model().bfloat16()
    fuse_layers(low)
    assert not {attended, normed} & set(forwards(low))
