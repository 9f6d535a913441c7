"""The first place of a NaN: a parameter, a module's output, or a gradient."""

import torch
from torch import nn

from truing.models.finite import bad_gradient, bad_parameter, fault_of


class Logs(nn.Module):
    """Its output is infinite at 0."""

    def forward(self, x: torch.Tensor) -> dict[str, list[torch.Tensor]]:
        return {"logs": [x.log()]}


def model() -> nn.Sequential:
    return nn.Sequential(nn.Linear(2, 2), Logs())


def test_a_sound_model_has_no_fault():
    found = model()
    assert fault_of(found[0], lambda: found[0](torch.ones(1, 2))) == ""
    assert bad_parameter(found) == bad_gradient(found) == ""


def test_a_parameter_comes_before_what_it_spoils():
    found = model()
    found[0].bias.data[1] = float("nan")
    assert fault_of(found, lambda: found(torch.ones(1, 2))) == "the parameter 0.bias"


def test_the_first_output_that_is_not_finite_is_named():
    found = model()
    nn.init.zeros_(found[0].weight)
    nn.init.zeros_(found[0].bias)
    assert fault_of(found, lambda: found(torch.ones(1, 2))) == "the output of 1"
    assert not found[1]._forward_hooks, "nothing is left behind"


def test_on_the_way_back_the_first_output_whose_gradient_is_not_finite_is_named():
    """The root's slope at 0 is infinite: it spoils what comes before it, and no output."""

    class Root(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x.clamp(min=0).sqrt()

    found = nn.Sequential(nn.Linear(2, 2), nn.Tanh(), Root(), nn.Linear(2, 1))
    nn.init.zeros_(found[0].weight)
    nn.init.zeros_(found[0].bias)
    run = lambda: found(torch.ones(1, 2)).sum().backward()  # noqa: E731
    assert fault_of(found, lambda: found(torch.ones(1, 2))) == ""
    assert fault_of(found, run, backward=True) == "the gradient at the output of 1"
    assert not any(module._forward_hooks for module in found)


def test_a_gradient_that_is_not_finite_is_named():
    found = model()
    found[0].weight.grad = torch.full((2, 2), float("inf"))
    assert bad_gradient(found) == "the gradient of 0.weight"
