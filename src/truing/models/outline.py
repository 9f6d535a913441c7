"""A model by its config alone: the bytes of its weights by group, and those of its passes.

Three layers are built, without numbers; the other layers are like the last of them, and layers below the
trained ones like the first. So the outline of any model takes seconds and no memory.
"""

import copy
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from torch import nn
from transformers import PretrainedConfig

from truing.core.errors import ModelError
from truing.core.messages import message
from truing.data.packing import PackedBatch
from truing.models.load import layers_of
from truing.models.numberless import Footprint, footprint, numberless, shaped, without_numbers
from truing.models.operations import LayerProducts, products_of
from truing.models.scoring import Trunk

BUILT = 3


class GroupBytes(NamedTuple):
    """Bytes of weights that are gathered together; trained weights are in float32."""

    frozen: int
    trained: int
    adapters: int

    @property
    def held(self) -> int:
        return self.frozen + self.trained + self.adapters


@dataclass(frozen=True)
class PassMemory:
    """The bytes of a pass at its peak, beside the weights and the optimiser."""

    gradients: int  # of parameters, as many as are there then
    activations: int  # kept by the layers for backward
    working: int  # the rest: logits and slopes of the head, factors of the layer under way


@dataclass(frozen=True)
class Outline:
    """A model with its first and last layer standing for so many layers each."""

    scorer: Trunk
    first: int
    last: int
    root: GroupBytes  # embedding, final norm, head
    layer: GroupBytes  # the largest
    whole: GroupBytes

    @property
    def depth(self) -> int:
        """Count the layers of the whole model."""
        return len(layers_of(self.scorer.inner, "a plan")) + self.first + self.last - 2

    @property
    def products(self) -> LayerProducts:
        return products_of(self.scorer.inner, first=self.first, last=self.last)

    def pass_memory(self, batch: PackedBatch, *, again: bool) -> PassMemory:
        """Count the bytes of a pass; with `again`, of one whose step has others before it.

        A later pass finds the gradients of the earlier ones. A step of one pass is fullest either behind its
        top layer, with all activations and few gradients, or at its end, with all gradients. Raises
        ModelError for a model whose code looks at its numbers.
        """
        try:
            with without_numbers():
                found = footprint(self.scorer, shaped(batch))
        except (RuntimeError, NotImplementedError) as error:  # FakeTensorMode's are among them
            said = "{model} cannot run without numbers, so no plan is made: {error}"
            name = type(self.scorer.inner).__name__
            raise ModelError(message(said, model=name, error=str(error).splitlines()[0])) from error
        return _fullest(found, self.last - 1, self.whole.trained + self.whole.adapters, again=again)


def _fullest(found: Footprint, more: int, gradients: int, *, again: bool) -> PassMemory:
    activations = found.activations + more * found.per_layer
    top = PassMemory(gradients if again else found.top_gradients, activations, found.working)
    end = PassMemory(gradients, 0, found.end)
    return max(top, end, key=lambda one: one.gradients + one.activations + one.working)


def outline_of(
    config: PretrainedConfig,
    make: Callable[[PretrainedConfig, int | None], Trunk],
    top_layers: int | None = None,
) -> Outline:
    """Outline the scorer that `make` builds for a config and a number of trained layers, None for all."""
    short = copy.deepcopy(config)
    text = short.get_text_config()
    depth: int = text.num_hidden_layers
    built = min(BUILT, depth)
    text.num_hidden_layers = built
    if types := getattr(text, "layer_types", None):  # only the configs of some families have it
        text.layer_types = types[:built]
    top = None if top_layers is None else min(top_layers, built if depth == built else built - 1)
    scorer = numberless(lambda: make(short, top))
    last = 1 + (depth - built if top is None or top_layers is None else top_layers - top)
    first = 1 + depth - built - (last - 1)
    groups = [_bytes_of(layer) for layer in layers_of(scorer.inner, "a plan")]
    inside = _sum(groups)
    root = GroupBytes(*(a - b for a, b in zip(_bytes_of(scorer), inside, strict=True)))
    others = [groups[0]] * (first - 1) + [groups[-1]] * (last - 1)
    largest = max(groups, key=lambda group: group.held)
    return Outline(scorer, first, last, root, largest, _sum([root, *groups, *others]))


def _sum(groups: list[GroupBytes]) -> GroupBytes:
    return GroupBytes(*(sum(group[place] for group in groups) for place in range(3)))


def _bytes_of(module: nn.Module) -> GroupBytes:
    counted = {"frozen": 0, "trained": 0, "adapters": 0}
    for name, parameter in module.named_parameters():
        kind = "adapters" if "lora_" in name else "trained"
        counted[kind if parameter.requires_grad else "frozen"] += parameter.numel() * parameter.element_size()
    return GroupBytes(**counted)
