"""The memory of a pass, found by running it on tensors that have shapes and no numbers.

    numberless    a model whose tensors stand on a CPU that has no memory to spend
    footprint     the bytes that a pass makes, forward and backward

FakeTensorMode of PyTorch runs the very code of a pass: this project's kernels, the model's layers, autograd
and activation checkpointing. So no table of formulas has to repeat what each family keeps.
"""

import logging
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, fields, replace
from functools import cache
from typing import Any, TypeVar
from weakref import finalize

import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from truing.data.packing import PackedBatch
from truing.kernels.attention_cpu import forget_plans
from truing.models.load import layers_of
from truing.models.scoring import Scores, Trunk

MadeModel = TypeVar("MadeModel", bound=nn.Module)
WEIGHTS, GRADIENTS, OTHER = "weights", "gradients", "other"


@dataclass(frozen=True)
class Footprint:
    """The bytes that a pass makes, at two moments: behind its top layer in backward, and at its end."""

    per_layer: int  # kept for backward by the last layer
    activations: int  # kept by all layers and what stands before them
    top_gradients: int  # of parameters, from the head down to the top layer
    working: int  # then: logits and slopes of the head, factors of the layer under way
    end: int  # all but gradients, in the backward of the lowest layer and of the embedding


@cache
def _mode() -> FakeTensorMode:
    """Return the one mode of this process: another would not take this one's tensors for its own."""
    return FakeTensorMode(allow_non_fake_inputs=True)


@contextmanager
def without_numbers() -> Iterator[None]:
    """Make every tensor in the block one of shapes alone; tensors from outside may be read."""
    log = logging.getLogger(FakeTensorMode.__module__)
    before = log.level
    log.setLevel(logging.CRITICAL)  # it prints the traceback of each error, which is raised too
    try:
        with _mode():
            yield
    finally:
        log.setLevel(before)
        forget_plans()


def numberless(make: Callable[[], MadeModel]) -> MadeModel:
    """Return the model that `make` builds, with tensors that claim to lie on a CPU and take no memory.

    PEFT moves weights in ways that FakeTensorMode refuses, so the model is made on the meta device first.
    """
    with torch.device("meta"):
        model = make()
    made: dict[int, Any] = {}  # tied weights stay tied
    with without_numbers():
        for module in model.modules():
            for held in (module._parameters, module._buffers):
                for name, old in held.items():
                    if old is not None and id(old) not in made:
                        made[id(old)] = _like(old)
                    held[name] = None if old is None else made[id(old)]
    return model


def _like(old: Tensor) -> Tensor:
    new = torch.empty(old.shape, dtype=old.dtype)
    return nn.Parameter(new, requires_grad=old.requires_grad) if isinstance(old, nn.Parameter) else new


def shaped(batch: PackedBatch) -> PackedBatch:
    """Return a batch of the same shapes `without_numbers`; attention masks are then not looked into."""
    held = ((field.name, getattr(batch, field.name)) for field in fields(batch))
    return replace(batch, **{name: torch.empty_like(one) for name, one in held if isinstance(one, Tensor)})


def _called(func: Any, args: Any, kwargs: Any) -> Any:
    """Call an operation on tensors without numbers.

    Products of experts exist in float32 on a CPU, and PyTorch knows their shapes in bfloat16 alone.
    """
    if func is torch.ops.aten._grouped_mm.default and args[0].dtype is torch.float32:
        return func(*(one.bfloat16() for one in args[:2]), *args[2:], **kwargs).float()
    return func(*args, **kwargs)


class _Ledger(TorchDispatchMode):
    """A count of the bytes of all storages that operations in the block make, by kind, and of their peak."""

    def __init__(self, weights: Iterable[Tensor]) -> None:
        super().__init__()
        self.held: Counter[str] = Counter()
        self.peak: Counter[str] = Counter()
        self.peaks: list[Counter[str]] = []  # of the stretches before
        self._storages: dict[int, tuple[int, str]] = {}
        for weight in weights:
            self._add(weight, WEIGHTS)

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = _called(func, args, kwargs or {})
        for one in [] if func.is_view else tree_leaves(out):  # a view of a parameter may claim a new storage
            if isinstance(one, Tensor):
                self._add(one, OTHER)
        if self.held.total() > self.peak.total():
            self.peak = self.held.copy()
        return out

    def _add(self, tensor: Tensor, kind: str) -> None:
        storage = tensor.untyped_storage()
        key = storage._cdata
        if key not in self._storages:
            self._storages[key] = storage.nbytes(), kind
            self.held[kind] += storage.nbytes()
            finalize(storage, self._drop, key)

    def _drop(self, key: int) -> None:
        size, kind = self._storages.pop(key)
        self.held[kind] -= size

    def begin_anew(self) -> None:
        """End a stretch of operations, whose peak is kept, and begin another."""
        self.peaks.append(self.peak)
        self.peak = Counter()

    def mark_gradient(self, parameter: Tensor) -> None:
        """Count the gradient of a parameter as one from here on."""
        assert parameter.grad is not None
        key = parameter.grad.untyped_storage()._cdata
        size, kind = self._storages[key]
        self.held[kind] -= size
        self.held[GRADIENTS] += size
        self._storages[key] = size, GRADIENTS


def footprint(scorer: Trunk, batch: PackedBatch) -> Footprint:
    """Count the bytes that a pass makes, forward and backward; of a `numberless` scorer `without_numbers`."""
    parameters = [*scorer.parameters()]
    layers = layers_of(scorer.inner, "a plan")
    kept: list[int] = []  # behind each layer
    with ExitStack() as undo, _Ledger([*parameters, *scorer.buffers()]) as ledger:

        def ran(layer: nn.Module, given: Any, out: Any) -> None:
            state = out[0] if isinstance(out, tuple) else out
            if len(kept) < len(layers) - 1 and state.requires_grad:
                state.register_hook(lambda grad: ledger.begin_anew())
            kept.append(ledger.held[OTHER])

        trunk = scorer.inner.base_model
        assert isinstance(trunk, nn.Module)
        behind: list[int] = []
        handles: list[Any] = [layer.register_forward_hook(ran) for layer in layers]
        handles.append(trunk.register_forward_hook(lambda *_: behind.append(ledger.held[OTHER])))
        trained = (parameter for parameter in parameters if parameter.requires_grad)
        handles += [one.register_post_accumulate_grad_hook(ledger.mark_gradient) for one in trained]
        for handle in handles:  # also of a pass that fails: another may follow
            undo.callback(handle.remove)
        undo.callback(scorer.zero_grad)
        scored = scorer(batch)
        (scored.logps if isinstance(scored, Scores) else scored).sum().backward()
        del scored
    ledger.begin_anew()
    peaks = [(peak[GRADIENTS], peak[OTHER]) for peak in ledger.peaks if peak]
    (gradients, top), (_, end) = peaks[0], peaks[-1]
    last = len(layers) - 1  # a layer that runs again in backward may be seen twice
    per_layer = kept[last] - kept[last - 1] if last > 0 else 0
    return Footprint(per_layer, behind[0], gradients, max(0, top - behind[0]), end)
