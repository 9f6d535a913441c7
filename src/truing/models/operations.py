"""The floating-point operations that a step needs, for the model's share of a machine's peak (MFU).

With n unique tokens (a prompt shared by several responses counts once), s scored tokens, and d the sum over
all tokens of the tokens each attends to, a step that learns l times and reads r more times needs

    2 n (frozen (2 l + r) + trained (3 l + r) + adapters 3 l + below (l + r))   products of the layers
    4 d w (3 l + r)                                                            attention: scores and mixes
    2 s head (2 l + r), or (3 l + r) where the head trains                     the head, scored tokens alone

`frozen`, `trained` and `adapters` are numbers of weights, w is the width of attention summed over layers, and
`below` are weights under the lowest trained layer, which no gradient passes. What is computed twice to save
memory counts once, as in arXiv:2204.02311, appendix B.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from torch import nn
from transformers import PreTrainedModel

from truing.data.trees import Tree
from truing.models.load import layers_of

FORMULA = "2 n (frozen (2l+r) + trained (3l+r) + adapters 3l) + 4 d w (3l+r) + 2 s head (2l+r, trained 3l+r)"


@dataclass(frozen=True)
class LayerProducts:
    """Numbers of weights that a token is multiplied with, and the widths of attention."""

    below: int = 0
    frozen: int = 0
    trained: int = 0
    adapters: int = 0
    head: int = 0
    head_trains: bool = False
    attention: int = 0  # heads x width of a head, summed over layers


@dataclass(frozen=True)
class TreeSizes:
    """The sizes of trees."""

    tokens: float  # unique ones
    scored: float
    depth: float  # sum over tokens of the tokens that each attends to, itself included

    def __add__(self, other: "TreeSizes") -> "TreeSizes":
        return TreeSizes(self.tokens + other.tokens, self.scored + other.scored, self.depth + other.depth)

    def times(self, factor: float) -> "TreeSizes":
        return TreeSizes(self.tokens * factor, self.scored * factor, self.depth * factor)


def sizes_of(tree: Tree) -> TreeSizes:
    """Measure a tree whose prompt is read once for all of its branches."""
    prompt = len(tree.prompt)
    depth = prompt * (prompt + 1) / 2
    depth += sum(len(branch) * (prompt + (len(branch) + 1) / 2) for branch in tree.branches)
    return TreeSizes(len(tree), sum(branch.count for branch in tree.branches), depth)


def products_of(model: PreTrainedModel, times: Sequence[int] | None = None) -> LayerProducts:
    """Count the weights of a model's products; each of its layers stands for so many, by default one."""
    config, each = model.config.get_text_config(), list(layers_of(model, "a plan"))
    asked = getattr(config, "num_experts_per_tok", 0)  # a layer's experts are one tensor of three axes
    counted = {"frozen": 0, "trained": 0, "adapters": 0, "below": 0}
    begun = False
    times = times or [1] * len(each)
    for layer, count in zip(each, times, strict=True):
        begun = begun or any(parameter.requires_grad for parameter in layer.parameters())
        for name, parameter in layer.named_parameters():
            if parameter.ndim in (2, 3):
                kind = "adapters" if "lora_" in name else "trained" if parameter.requires_grad else "frozen"
                used = parameter.numel() if parameter.ndim == 2 else asked * parameter[0].numel()
                counted[kind if begun else "below"] += count * used
    head = model.get_output_embeddings()
    weight = head.weight if isinstance(head, nn.Linear) else None
    return LayerProducts(
        **counted,
        head=0 if weight is None else weight.numel(),
        head_trains=weight is not None and weight.requires_grad,
        attention=config.num_attention_heads
        * sum(count * head_width(model, layer) for layer, count in zip(each, times, strict=True)),
    )


def head_width(model: PreTrainedModel, layer: nn.Module) -> int:
    """Return the width of a layer's attention heads, which a config may leave out or give for each layer."""
    for module in layer.modules():
        if isinstance(width := getattr(module, "head_dim", None), int):
            return width
    config = model.config.get_text_config()
    return getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads


def operations(products: LayerProducts, read: TreeSizes, *, learns: int = 1, reads: int = 0) -> float:
    """Return the floating-point operations of a step over trees of these sizes; see the module."""
    layers = products.frozen * (2 * learns + reads) + products.trained * (3 * learns + reads)
    layers += products.adapters * 3 * learns + products.below * (learns + reads)
    head = products.head * ((3 if products.head_trains else 2) * learns + reads)
    attention = 4 * read.depth * products.attention * (3 * learns + reads)
    return 2 * read.tokens * layers + attention + 2 * read.scored * head
