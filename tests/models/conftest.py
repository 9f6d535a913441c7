"""Changes to a model that tests of both scorers make, and the tolerance between two ways in float32."""

import copy
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from transformers import PreTrainedModel

TIMES = 4  # the most by which the rounding of two ways differed over all families and tensors was 3.3
FLOOR = 8 * torch.finfo(torch.float32).eps  # of the largest entry: less is not known in float32


@pytest.fixture
def refuse_spans(monkeypatch: pytest.MonkeyPatch) -> Callable[[PreTrainedModel], None]:
    """Makes the trunk of a model raise as one does that knows no `spans`."""

    def refuse(model: PreTrainedModel) -> None:
        forward = type(model.base_model).forward

        def strict(self, *args, **kwargs):
            if "spans" in kwargs:
                raise TypeError("got an unexpected keyword argument 'spans'")
            return forward(self, *args, **kwargs)

        monkeypatch.setattr(type(model.base_model), "forward", strict)

    return refuse


class _InFloat64(TorchFunctionMode):
    """Inside, what a model's code casts to float32 (norms, softmax, angles) is cast to float64."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        def widened(given: Any) -> Any:
            return torch.float64 if given is torch.float32 else given

        func = torch.Tensor.double if func is torch.Tensor.float else func
        return func(*map(widened, args), **{name: widened(one) for name, one in (kwargs or {}).items()})


def _with_gradients(model: nn.Module, values: Tensor) -> list[Tensor]:
    """Values, and the gradients of a sum in which no two of them weigh the same."""
    total = (values * torch.linspace(-1, 1, len(values), dtype=values.dtype)).sum()
    found = torch.autograd.grad(total, list(model.parameters()), materialize_grads=True)
    return [values.detach(), *found]


@dataclass(frozen=True)
class Measured:
    """Values of a model and all its gradients, computed the textbook way in float32 and in float64."""

    model: nn.Module
    plain: list[Tensor]
    exact: list[Tensor]

    def agree(self, values: Tensor) -> None:
        """Fails where values or gradients err more than TIMES what the textbook way in float32 errs."""
        found = _with_gradients(self.model, values)
        for mine, plain, exact in zip(found, self.plain, self.exact, strict=True):
            assert exact.dtype is torch.float64
            theirs, ours = (float((one.double() - exact).abs().max()) for one in (plain, mine))
            allowed = TIMES * theirs + FLOOR * float(exact.abs().max())
            assert ours <= allowed, f"{ours:.2g} from float64, where the textbook way is {theirs:.2g}"


@pytest.fixture(scope="session")
def measured() -> Callable[..., Measured]:
    """Has a model compute values [N] in float32, and a copy of it in float64: what float32 can give here."""

    def measure(model: PreTrainedModel, compute: Callable[[PreTrainedModel], Tensor]) -> Measured:
        plain, wide = _with_gradients(model, compute(model)), copy.deepcopy(model).double()
        with _InFloat64():
            exact = compute(wide)
        return Measured(model, plain, _with_gradients(wide, exact))

    return measure
