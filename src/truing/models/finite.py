"""Find the first place of a NaN or infinity: a parameter, or the output of a module for finite input."""

from collections.abc import Callable, Iterator

import torch
from torch import Tensor, nn

from truing.core.messages import Sentence, message


def fault_of(model: nn.Module, run: Callable[[], object], *, backward: bool = False) -> str:
    """Name the first parameter of `model`, else the first module that `run` calls, that is not finite.

    Empty where all are finite: the fault is then outside the model, such as in a reference or in the loss.
    `run` is called once more, without a graph. With `backward` it makes a graph and runs it back; then the
    first module is named whose output, or else the gradient there, is not finite.
    """
    if name := bad_parameter(model):
        return name
    faults: list[str] = []

    def note(fault: Sentence, values: Iterator[Tensor]) -> None:
        if not faults and not all(map(_finite, values)):
            faults.append(fault)

    def look(name: str, output: object) -> None:
        of = name or message("the model")
        note(message("the output of {name}", name=of), _tensors(output))
        if backward:
            there = message("the gradient at the output of {name}", name=of)
            for tensor in _tensors(output):
                if tensor.requires_grad:
                    tensor.register_hook(lambda gradient: note(there, iter([gradient])))

    hooks = [
        module.register_forward_hook(lambda _module, _inputs, output, name=name: look(name, output))
        for name, module in model.named_modules()
    ]
    try:
        with torch.set_grad_enabled(backward):
            run()
    finally:
        for hook in hooks:
            hook.remove()
    return faults[0] if faults else ""


def bad_parameter(model: nn.Module) -> str:
    """Name the first parameter that is not finite; empty where all are."""
    found = (name for name, one in model.named_parameters() if not _finite(one))
    return next((message("the parameter {name}", name=name) for name in found), "")


def bad_gradient(model: nn.Module) -> str:
    """Name the first parameter whose gradient is not finite; empty where all are."""
    there = ((name, one.grad) for name, one in model.named_parameters() if one.grad is not None)
    found = (name for name, grad in there if not _finite(grad))
    return next((message("the gradient of {name}", name=name) for name in found), "")


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
