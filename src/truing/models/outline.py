"""A model by its config alone: the bytes of its weights by group, and those of its passes.

All layers are built, without numbers, and three of them are kept. Each of the others is like one of the three
that has as many weights, since families mix layers of several kinds. A pass runs the three, and counts the
others as the last. So the outline of any model takes seconds and no memory.
"""

import copy
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import nn
from transformers import PretrainedConfig, PreTrainedModel

from truing.core.errors import ModelError
from truing.core.messages import message
from truing.data.packing import PackedBatch
from truing.models.load import layers_of
from truing.models.numberless import Footprint, footprint, numberless, shaped, without_numbers
from truing.models.operations import LayerProducts, products_of
from truing.models.scoring import Trunk

KEPT = 3
# What a model's code and FakeTensorMode raise where a tensor has no numbers.
CANNOT = (RuntimeError, AssertionError, AttributeError, TypeError, ValueError)


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


@contextmanager
def outlining(model: str) -> Iterator[None]:
    """Raise ModelError, with the name of a model, where its code cannot do without numbers."""
    try:
        yield
    except CANNOT as error:
        said = "{model} cannot run without numbers, so no plan is made: {error}"
        raise ModelError(message(said, model=model, error=str(error).partition("\n")[0])) from error


@dataclass(frozen=True)
class Outline:
    """A model of which some layers are kept."""

    scorer: Trunk
    depth: int  # layers of the whole model
    more: int  # layers that train and are not kept
    root: GroupBytes  # embedding, final norm, head
    layer: GroupBytes  # the largest
    whole: GroupBytes
    products: LayerProducts

    def pass_memory(self, batch: PackedBatch, *, again: bool) -> PassMemory:
        """Count the bytes of a pass; with `again`, of one whose step has others before it.

        A later pass finds the gradients of the earlier ones. A step of one pass is fullest either behind its
        top layer, with all activations and few gradients, or at its end, with all gradients. Raises
        ModelError for a model whose code looks at its numbers.
        """
        with outlining(type(self.scorer.inner).__name__), without_numbers():
            found = footprint(self.scorer, shaped(batch))
        return _fullest(found, self.more, self.whole.trained + self.whole.adapters, again=again)


def _fullest(found: Footprint, more: int, gradients: int, *, again: bool) -> PassMemory:
    activations = found.activations + more * found.per_layer
    top = PassMemory(gradients if again else found.top_gradients, activations, found.working)
    end = PassMemory(gradients, 0, found.end)
    return max(top, end, key=lambda one: one.gradients + one.activations + one.working)


def outline_of(
    config: PretrainedConfig,
    make: Callable[[PretrainedConfig], PreTrainedModel],
    prepare: Callable[[PreTrainedModel, int | None], Trunk],
    top_layers: int | None = None,
) -> Outline:
    """Outline a model for a config and a number of trained layers, None for all.

    `make` builds the model, and `prepare` makes the scorer of a model with the kept layers, of which a number
    train. Raises ModelError for a model whose code looks at its numbers.
    """
    with outlining(config.model_type):
        with torch.device("meta"):
            base = make(copy.deepcopy(config))
        layers = layers_of(base, "a plan")
        sizes, depth = [sum(map(torch.numel, layer.parameters())) for layer in layers], len(layers)
        trained = depth if top_layers is None else min(top_layers, depth)
        kept = _kept(sizes, trained)
        _keep(base, layers, kept)
        learn = sum(place >= depth - trained for place in kept)
        scorer = numberless(lambda: prepare(base, None if top_layers is None else learn))
        like = [_like(place, sizes, kept, depth - trained) for place in range(depth)]
        groups = [_bytes_of(layer) for layer in layers_of(scorer.inner, "a plan")]
        root = GroupBytes(*(a - b for a, b in zip(_bytes_of(scorer), _sum(groups), strict=True)))
        return Outline(
            scorer,
            depth,
            trained - learn,
            root,
            layer=max(groups, key=lambda group: group.held),
            whole=_sum([root, *(groups[at] for at in like)]),
            products=products_of(scorer.inner, [like.count(at) for at in range(len(kept))]),
        )


def _kept(sizes: Sequence[int], trained: int) -> list[int]:
    """Return the places of the layers that are kept, of all layers' numbers of weights.

    The last of them trains and, where all layers do, has the commonest size if any above another has.
    """
    depth = len(sizes)
    if depth <= KEPT:
        return list(range(depth))
    if trained < depth:
        above = min(trained, KEPT - 1)
        return [*range(KEPT - above), *range(depth - above, depth)]
    common = max(sizes, key=sizes.count)
    same = [at for at in range(depth) if sizes[at] == common]
    others = [at for at in range(depth) if sizes[at] != common]
    if others and others[0] < same[-1]:  # one layer of another size, and one of the common size above it
        last = next(at for at in same if at > others[0])
        return sorted([others[0], last, *(at for at in same if at != last)][:KEPT])
    return sorted([*same, *others][:KEPT])


def _keep(model: PreTrainedModel, layers: nn.ModuleList, kept: Sequence[int]) -> None:
    """Leave out all layers but those at some places, and number these anew."""
    config = model.config.get_text_config()
    chosen = [layers[at] for at in kept]
    del layers[:]
    layers.extend(chosen)
    config.num_hidden_layers = len(kept)
    if isinstance(kinds := vars(config).get("layer_types"), list):  # of some families; others work it out
        config.layer_types = [kinds[at] for at in kept]
    for place, layer in enumerate(layers):
        for module in layer.modules():
            if hasattr(module, "layer_idx"):  # only the attention of some families has it
                module.layer_idx = place  # pyright: ignore[reportArgumentType]


def _like(place: int, sizes: Sequence[int], kept: Sequence[int], below: int) -> int:
    """Return which of the kept layers a layer is like: in training or not, and nearest in size."""
    alike = [at for at, other in enumerate(kept) if (other >= below) is (place >= below)]
    return min(alike, key=lambda at: abs(sizes[kept[at]] - sizes[place]))


def _sum(groups: list[GroupBytes]) -> GroupBytes:
    return GroupBytes(*(sum(group[place] for group in groups) for place in range(3)))


def _bytes_of(module: nn.Module) -> GroupBytes:
    counted = {"frozen": 0, "trained": 0, "adapters": 0}
    for name, parameter in module.named_parameters():
        kind = "adapters" if "lora_" in name else "trained"
        counted[kind if parameter.requires_grad else "frozen"] += parameter.numel() * parameter.element_size()
    return GroupBytes(**counted)
