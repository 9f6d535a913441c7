"""Layers that run twice: the losses and gradients of layers that run once, in less memory."""

import pytest
import torch
from peft import PeftModel

from truing.config.recipe import Lora
from truing.core.errors import ConfigError
from truing.data.packing import pack, pad
from truing.kernels.fused import fuse
from truing.kernels.layers import fuse_layers
from truing.models.critic import Critic, new_head
from truing.models.load import add_adapter, freeze_below, silence_dropout
from truing.models.recompute import recompute_layers
from truing.models.roles import CRITIC, add_role
from truing.models.scoring import Scorer

FAMILIES = ("llama", "qwen3", "gpt2", "gemma3_text")


def built(tiny, family: str, *, twice: bool, lora: bool):
    base = tiny(family)
    if twice:
        recompute_layers(base)
    model = base
    if lora:
        model = add_adapter(base, Lora(r=4), dropout=False, seed=0, trained=torch.float32)
        for name, parameter in model.named_parameters():
            if "lora_B" in name:
                parameter.data.normal_(generator=torch.Generator().manual_seed(1))
        fuse(model)
    fuse_layers(model)
    model.train()
    silence_dropout(model, keep_adapter=False)
    return model


def found(module: torch.nn.Module, values: torch.Tensor) -> list[torch.Tensor]:
    """Values, and the gradients of a sum in which no two of them weigh the same."""
    (values * torch.linspace(-1, 1, len(values))).sum().backward()
    return [values.detach(), *(p.grad for p in module.parameters() if p.grad is not None)]


@pytest.mark.parametrize("layout", ["trees", "padded"])
@pytest.mark.parametrize("lora", [True, False], ids=["lora", "full"])
@pytest.mark.parametrize("family", FAMILIES)
def test_losses_and_gradients_are_those_of_layers_that_run_once(tiny, pairs, family, lora, layout):
    """Backward begins after the tree attention of the pass has been taken off again."""
    batch = {"trees": pack, "padded": pad}[layout](pairs)
    once, twice = (Scorer(built(tiny, family, twice=two, lora=lora), layout=layout) for two in (False, True))
    wanted, again = found(once, once(batch).logps), found(twice, twice(batch).logps)
    assert len(again) == len(wanted) > 2
    for one, other in zip(again, wanted, strict=True):
        assert torch.allclose(one, other, rtol=1e-5, atol=1e-6)


def test_a_role_runs_again_with_its_own_adapter(tiny, pairs):
    """The critic's adapter is off again when its backward begins."""
    batch, numbers = pack(pairs), []
    for two in (False, True):
        model = built(tiny, "llama", twice=two, lora=True)
        assert isinstance(model, PeftModel)
        trained = add_role(
            model, CRITIC, model.peft_config["default"], trained=torch.float32, trains=True, seed=3
        )
        for name, parameter in trained.items():
            if "lora_B" in name:
                parameter.data.normal_(generator=torch.Generator().manual_seed(2))
        critic = Critic(model, new_head(32, 0, torch.device("cpu")), role=CRITIC, layout="trees")
        found(critic, critic(batch))
        numbers.append({name: parameter.grad for name, parameter in trained.items()})
        assert model.active_adapters == ["default"]
    once, again = numbers
    assert all(grad is not None and grad.abs().max() > 0 for name, grad in once.items() if "lora_B" in name)
    for name, grad in once.items():
        assert torch.allclose(again[name], grad, rtol=1e-5, atol=1e-6), name


@pytest.mark.parametrize("trees", [True, False])
def test_layers_below_the_trained_ones_have_no_backward(tiny, pairs, trees):
    model, out = tiny("llama", num_hidden_layers=3), []
    recompute_layers(model)
    freeze_below(model.train(), 1)
    for layer in model.model.layers:
        layer.register_forward_hook(lambda module, given, state: out.append(state.requires_grad))
    batch = pack(pairs) if trees else pad(pairs)
    Scorer(model, layout="trees" if trees else "padded")(batch).logps.sum().backward()
    assert out == [False, False, True]


def test_a_family_whose_layers_cannot_is_refused(tiny):
    model = tiny("llama")
    model.supports_gradient_checkpointing = False
    with pytest.raises(ConfigError, match="activation_checkpointing: LlamaForCausalLM has no such layers"):
        recompute_layers(model)
