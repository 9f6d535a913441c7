"""The fused LoRA layer against PEFT's own, which stays the measure."""

import copy
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

import pytest
import torch
from peft import LoraConfig, PeftModel, get_peft_model
from peft.tuners.lora import Linear as LoraLinear
from torch import Tensor, nn

from truing.kernels.fused import fuse


class Net(nn.Module):
    def __init__(self, *, bias: bool) -> None:
        super().__init__()
        self.up = nn.Linear(12, 20, bias=bias)
        self.down = nn.Linear(20, 12, bias=bias)

    def forward(self, x: Tensor) -> Tensor:
        return self.down(torch.tanh(self.up(x)))


def adapted(*, bias: bool = True, dtype: torch.dtype = torch.float32, **config: object) -> PeftModel:
    torch.manual_seed(0)
    wrapped = get_peft_model(
        Net(bias=bias).to(dtype),  # pyright: ignore[reportArgumentType]
        LoraConfig(r=4, lora_alpha=12, target_modules=["up", "down"], init_lora_weights=False, **config),
    )
    for parameter in wrapped.parameters():
        if parameter.requires_grad:
            parameter.data = parameter.data.float()
    return wrapped


def fused(**kind: object) -> PeftModel:
    model = adapted(**kind)
    assert fuse(model) == 2
    return model


def rows(seed: int = 1) -> Tensor:
    return torch.randn(2, 5, 12, generator=torch.Generator().manual_seed(seed)).requires_grad_()


def results(model: PeftModel) -> list[Tensor]:
    """The output, and the gradient of the input and of every adapter weight."""
    x = rows()
    out = model(x)
    weights = torch.linspace(-1, 1, out.numel()).view(out.shape)
    trained = [p for p in model.parameters() if p.requires_grad]
    return [out, *torch.autograd.grad((out.float() * weights).sum(), [x, *trained])]


@pytest.mark.parametrize("bias", [False, True], ids=["no bias", "bias"])
@pytest.mark.parametrize("rslora", [False, True], ids=["alpha / r", "alpha / sqrt(r)"])
def test_output_and_gradients_are_pefts(bias: bool, rslora: bool):
    kind = {"bias": bias, "use_rslora": rslora}
    found = results(fused(**kind))
    assert len(found) == 2 + 4, "output, input, and A and B of two layers"
    for mine, theirs in zip(found, results(adapted(**kind)), strict=True):
        torch.testing.assert_close(mine, theirs)


def test_the_base_weights_get_no_gradient():
    model = fused()
    model(rows()).sum().backward()
    moved = {name for name, p in model.named_parameters() if p.grad is not None}
    assert len(moved) == 4
    assert all("lora_" in name for name in moved)


@pytest.mark.parametrize("bias", [False, True], ids=["no bias", "bias"])
def test_switching_the_adapter_off_and_merging_it(bias: bool):
    mine, theirs = fused(bias=bias), adapted(bias=bias)
    with_adapter = theirs(rows())
    with mine.disable_adapter(), theirs.disable_adapter():
        torch.testing.assert_close(mine(rows()), theirs(rows()))
        assert (mine(rows()) - with_adapter).abs().max() > 0.1, "the adapter matters here"
    torch.testing.assert_close(mine(rows()), with_adapter)
    mine.merge_adapter()
    torch.testing.assert_close(mine(rows()), with_adapter)


def test_switched_off_while_merged_is_the_base_model():
    model = fused()
    with model.disable_adapter():
        base = model(rows())
    model.merge_adapter()
    with model.disable_adapter():
        torch.testing.assert_close(model(rows()), base)


@pytest.mark.parametrize("kind", [{"use_dora": True}, {"lora_dropout": 0.1}], ids=["DoRA", "dropout"])
def test_layers_that_do_more_keep_pefts_forward(kind: dict):
    model = adapted(**kind)
    assert fuse(model) == 0
    assert not any("forward" in vars(layer) for layer in model.modules())


def test_two_adapters_active_at_once_are_left_to_peft():
    mine, theirs = fused(), adapted()
    for model in (mine, theirs):
        torch.manual_seed(7)
        model.add_adapter("second", LoraConfig(r=2, target_modules=["up"], init_lora_weights=False))
        model.base_model.set_adapter(["default", "second"])
    torch.testing.assert_close(mine(rows()), theirs(rows()))


def test_an_adapter_added_later_is_not_ignored():
    mine, theirs = fused(), adapted()
    for model in (mine, theirs):
        torch.manual_seed(7)
        model.add_adapter("second", LoraConfig(r=2, target_modules=["up"], init_lora_weights=False))
        model.set_adapter("second")
    torch.testing.assert_close(mine(rows()), theirs(rows()))


def test_a_copy_of_the_model_runs_on_its_own_weights():
    model = fused()
    twin = copy.deepcopy(model)
    with torch.no_grad():
        for parameter in twin.parameters():
            parameter.zero_()
    assert not twin(rows()).any()
    assert model(rows()).any()


@contextmanager
def bf16() -> Iterator[None]:
    with torch.autocast("cpu", torch.bfloat16):
        yield


@pytest.mark.parametrize("around", [bf16, nullcontext], ids=["autocast", "exact"])
def test_a_step_is_seen_by_the_next_forward(around):
    """Autocast may keep a bf16 copy of a weight; one made before the step would be a stale weight."""
    dtype = torch.bfloat16 if around is bf16 else torch.float32
    model = fused(dtype=dtype)
    optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=0.3)
    with around():
        before = model(rows())
        before.float().square().sum().backward()
        optimizer.step()
        after = model(rows())
    fresh = fused(dtype=dtype)
    fresh.load_state_dict(model.state_dict())
    with around():
        assert torch.equal(after, fresh(rows()))
    assert (after - before).abs().max() > 0.1, "the step was large enough to notice"


def test_under_autocast_it_is_as_close_to_the_exact_result_as_peft():
    exact = adapted()(rows())
    mine, theirs = fused(dtype=torch.bfloat16), adapted(dtype=torch.bfloat16)
    with bf16():
        out, peer = mine(rows()), theirs(rows())
    assert out.dtype is torch.bfloat16
    error, peer_error = ((found.float() - exact).abs().mean() for found in (out, peer))
    assert error < 1.5 * peer_error
    out.float().sum().backward()
    for name, parameter in mine.named_parameters():
        if parameter.requires_grad:
            assert parameter.grad.dtype is torch.float32, name


def test_only_lora_layers_are_touched():
    model = adapted()
    assert sum(isinstance(layer, LoraLinear) for layer in model.modules()) == fuse(model) == 2
    assert fuse(Net(bias=True)) == 0
