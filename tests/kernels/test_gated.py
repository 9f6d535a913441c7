"""The gated product against the one transformers computes, which stays the measure."""

import copy

import pytest
import torch
from peft import LoraConfig, get_peft_model
from torch import Tensor, nn
from transformers import GemmaConfig, LlamaConfig
from transformers.models.gemma.modeling_gemma import GemmaMLP
from transformers.models.llama.modeling_llama import LlamaMLP

from truing.kernels.gated import fuse_gates
from truing.kernels.layers import is_fused


def mlp(dtype: torch.dtype = torch.float32) -> nn.Module:
    torch.manual_seed(0)
    return LlamaMLP(LlamaConfig(hidden_size=12, intermediate_size=20, num_attention_heads=2)).to(dtype)


def results(module: nn.Module, dtype: torch.dtype = torch.float32) -> list[Tensor]:
    """The output, and the gradient of the input and of every trained weight."""
    x = torch.randn(2, 5, 12, generator=torch.Generator().manual_seed(1)).to(dtype).requires_grad_()
    out = module(x)
    weights = torch.linspace(-1, 1, out.numel()).view(out.shape)
    trained = [p for p in module.parameters() if p.requires_grad]
    return [out, *torch.autograd.grad((out.float() * weights).sum(), [x, *trained])]


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float64])
def test_output_and_gradients_are_those_of_transformers(dtype: torch.dtype) -> None:
    own, fused = results(mlp(dtype), dtype), mlp(dtype)
    assert fuse_gates(fused) == 1 and is_fused(fused)
    ours = results(fused, dtype)
    assert torch.equal(ours[0], own[0])
    close = {"rtol": 2e-2, "atol": 1e-2} if dtype is torch.bfloat16 else {"rtol": 1e-5, "atol": 1e-6}
    for mine, theirs in zip(ours, own, strict=True):
        torch.testing.assert_close(mine, theirs, **close)


def test_the_gradient_is_that_of_differences() -> None:
    module = mlp(torch.float64)
    fuse_gates(module)
    x = torch.randn(3, 12, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(module, (x,))


def test_adapters_and_copies_run_on_their_own_weights() -> None:
    config = LoraConfig(r=2, target_modules=["gate_proj", "down_proj"], init_lora_weights=False)
    adapted = get_peft_model(nn.Sequential(mlp()), config)  # pyright: ignore[reportArgumentType]
    own = results(adapted)
    assert fuse_gates(adapted) == 1
    copied = copy.deepcopy(adapted)
    for mine, theirs in zip(results(copied), own, strict=True):
        torch.testing.assert_close(mine, theirs)
    with torch.no_grad():
        for parameter in copied.parameters():
            parameter.zero_()
    assert not results(copied)[0].any() and results(adapted)[0].any()


def test_less_is_kept_for_backward() -> None:
    def kept(module: nn.Module) -> int:
        sizes: dict[int, int] = {}

        def pack(saved: Tensor) -> Tensor:
            sizes[saved.data_ptr()] = saved.numel()
            return saved

        with torch.autograd.graph.saved_tensors_hooks(pack, lambda saved: saved):
            out = module(torch.randn(7, 12))
        del out
        weights = {p.data_ptr() for p in module.parameters()}
        return sum(size for place, size in sizes.items() if place not in weights)

    fused = mlp()
    before = kept(fused)
    fuse_gates(fused)
    assert before - kept(fused) == 7 * 20


def test_what_computes_something_else_keeps_its_forward() -> None:
    class Scaled(LlamaMLP):
        def forward(self, x: Tensor) -> Tensor:
            return 2 * super().forward(x)

    scaled = Scaled(LlamaConfig(hidden_size=12, intermediate_size=20, num_attention_heads=2))
    gemma = GemmaMLP(
        GemmaConfig(hidden_size=12, intermediate_size=20, num_attention_heads=2, hidden_activation="gelu")
    )
    replaced = mlp()
    replaced.forward = lambda x: x
    assert fuse_gates(nn.ModuleList([scaled, gemma, replaced, nn.Linear(2, 2)])) == 0
    assert fuse_gates(nn.ModuleList([mlp(), mlp()])) == 2
