"""Operations of a step, worked out by hand for a model and trees of few numbers."""

import pytest
import torch

from truing.config.recipe import Lora
from truing.data.packing import pack
from truing.data.trees import Branch, Tree
from truing.models.load import add_adapter, freeze_below
from truing.models.operations import LayerProducts, TreeSizes, operations, products_of, sizes_of

LAYER = 2 * 32 * 32 + 2 * 32 * 16 + 3 * 32 * 48  # weights in products of one layer of the tiny Llama
HEAD = 61 * 32


def test_a_tree_is_read_once():
    """Prompt of 3: 1 + 2 + 3. Each branch of 2 sees the prompt and itself: 4 + 5."""
    tree = Tree([5, 6, 7], (Branch([8, 9], [True, False]), Branch([8, 9], [True, True])))
    assert sizes_of(tree) == TreeSizes(tokens=7, scored=3, depth=6 + 9 + 9)


def test_the_depth_is_that_of_the_packed_row(trees):
    for tree in trees:
        assert sizes_of(tree).depth == int((pack([tree]).positions + 1).sum())


def test_weights_that_train_and_those_that_do_not(tiny):
    model = tiny("llama")
    assert products_of(model) == LayerProducts(trained=2 * LAYER, head=HEAD, head_trains=True, attention=64)
    freeze_below(model, 1)
    assert products_of(model) == LayerProducts(below=LAYER, trained=LAYER, head=HEAD, attention=64)
    assert products_of(model, [3, 2]) == LayerProducts(
        below=3 * LAYER, trained=2 * LAYER, head=HEAD, attention=5 * 32
    )
    adapted = tiny("llama")
    add_adapter(adapted, Lora(r=4), dropout=False, seed=0, trained=torch.float32)
    found = products_of(adapted)
    ranks = 4 * (2 * (32 + 32) + 2 * (32 + 16) + 3 * (32 + 48))
    assert (found.frozen, found.adapters, found.trained) == (2 * LAYER, 2 * ranks, 0)
    assert not found.head_trains


def test_a_token_meets_the_experts_it_is_sent_to(tiny):
    model = tiny("mixtral", num_local_experts=4, num_experts_per_tok=2)
    experts = sum(p.numel() for _, p in model.named_parameters() if p.dim() == 3)
    others = sum(p.numel() for name, p in model.named_parameters() if p.dim() == 2 and "layers." in name)
    assert experts > 0
    assert products_of(model).trained == others + experts // 2


READ = TreeSizes(tokens=10, scored=4, depth=55)


@pytest.mark.parametrize(
    ("products", "how", "expected"),
    [
        (LayerProducts(trained=100), {}, 2 * 10 * 300),
        (LayerProducts(frozen=100, adapters=8), {"reads": 1}, 2 * 10 * (100 * 3 + 8 * 3)),
        (LayerProducts(below=100), {"reads": 1}, 2 * 10 * 200),
        (LayerProducts(head=7), {}, 2 * 4 * 14),
        (LayerProducts(head=7, head_trains=True), {"learns": 2, "reads": 1}, 2 * 4 * 49),
        (LayerProducts(attention=6), {"reads": 1}, 4 * 55 * 6 * 4),
    ],
)
def test_operations_of_a_step(products, how, expected):
    assert operations(products, READ, **how) == expected
