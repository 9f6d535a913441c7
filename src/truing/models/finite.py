"""Find the first place of a NaN or infinity: a parameter, or the output of a module for finite input."""

from collections.abc import Callable, Iterator

import torch
from torch import Tensor, nn


def fault_of(model: nn.Module, run: Callable[[], object]) -> str:
    """Name the first parameter of `model`, else the first module that `run` calls, that is not finite.

    Empty where all are finite: the fault is then outside the model, such as in a reference or in the loss.
    `run` is called once more, without a graph.
    """
    if name := bad_parameter(model):
        return name
    faults: list[str] = []

    def look(name: str, output: object) -> None:
        if not faults and not all(map(_finite, _tensors(output))):
            faults.append(f"the output of {name}" if name else "the output of the model")

    hooks = [
        module.register_forward_hook(lambda _module, _inputs, output, name=name: look(name, output))
        for name, module in model.named_modules()
    ]
    try:
        with torch.no_grad():
            run()
    finally:
        for hook in hooks:
            hook.remove()
    return faults[0] if faults else ""


def bad_parameter(model: nn.Module) -> str:
    """Name the first parameter that is not finite; empty where all are."""
    return next((f"the parameter {name}" for name, one in model.named_parameters() if not _finite(one)), "")


def bad_gradient(model: nn.Module) -> str:
    """Name the first parameter whose gradient is not finite; empty where all are."""
    found = ((name, one.grad) for name, one in model.named_parameters() if one.grad is not None)
    return next((f"the gradient of {name}" for name, grad in found if not _finite(grad)), "")


def _finite(value: Tensor) -> bool:
    return not value.is_floating_point() or bool(torch.isfinite(value.detach()).all())


def _tensors(output: object) -> Iterator[Tensor]:
    if isinstance(output, Tensor):
        yield output
    elif isinstance(output, dict):
        for value in output.values():
            yield from _tensors(value)
    elif isinstance(output, list | tuple):
        for value in output:
            yield from _tensors(value)
