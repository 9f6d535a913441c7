"""Lined up or path by path, a tree is attended to alike: the two are compared with a dense mask."""

import pytest
import torch

from truing.data.packing import Span
from truing.models import attention_cpu

ROOT = 5
BOUNDS = (
    (0, 6, ((6, 9), (9, 14))),
    (14, 16, ((16, 20),)),
    (20, 60, ((60, 75), (75, 76), (76, 90))),
    (90, 90, ((90, 94), (94, 99))),
)
LENGTH, HEADS, GROUPS, WIDTH = 99 + ROOT, 4, 2, 8


def spans(root: int) -> tuple[Span, ...]:
    """Four trees behind a root that they share; without one the last has a prompt of its own."""
    found = []
    for start, prompt_end, branches in BOUNDS:
        moved = tuple((a + root, b + root) for a, b in branches)
        found.append(Span(start + root, prompt_end + root, moved, root))
    if root == 0:
        found[-1] = Span(90, 93, ((93, 94), (94, 99)))
    return tuple(found)


def dense_mask(trees: tuple[Span, ...], window: int | None) -> torch.Tensor:
    """[L, L] bool, written token by token from the rule."""
    mask = torch.zeros(LENGTH, LENGTH, dtype=torch.bool)
    for span in trees:
        prompt = [*range(span.root), *range(span.start, span.prompt_end)]
        for start, end in span.branches:
            path = prompt + list(range(start, end))
            for q, at in enumerate(path):
                for k in range(q + 1):
                    if window is None or q - k < window:
                        mask[at, path[k]] = True
    return mask


def inputs() -> list[torch.Tensor]:
    torch.manual_seed(0)
    shapes = [(HEADS, LENGTH), (GROUPS, LENGTH), (GROUPS, LENGTH)]
    return [torch.randn(1, h, length, WIDTH, dtype=torch.float64).requires_grad_() for h, length in shapes]


@pytest.mark.parametrize("window", [None, 7])
@pytest.mark.parametrize("short", [0, 20, 256])
@pytest.mark.parametrize("root", [0, ROOT])
def test_attention_follows_the_rule_in_value_and_gradient(
    monkeypatch, root: int, short: int, window: int | None
):
    monkeypatch.setattr(attention_cpu, "SHORT", short)
    trees = spans(root)
    query, key, value = inputs()
    shared = HEADS // GROUPS
    scores = query @ key.repeat_interleave(shared, 1).transpose(2, 3) * 0.3
    scores = scores.masked_fill(~dense_mask(trees, window), float("-inf"))
    scores = scores[:, :, : trees[-1].end]
    expected = scores.softmax(-1) @ value.repeat_interleave(shared, 1)
    got = attention_cpu.trees_on_cpu(query, key, value, trees, 0.3, window)
    torch.testing.assert_close(got, expected)
    weights = torch.randn_like(expected)
    wanted = torch.autograd.grad((expected * weights).sum(), (query, key, value))
    found = torch.autograd.grad((got * weights).sum(), (query, key, value))
    for ours, theirs in zip(found, wanted, strict=True):
        torch.testing.assert_close(ours, theirs)


@pytest.mark.parametrize("window", [None, 7])
@pytest.mark.parametrize("root", [0, ROOT])
def test_the_mask_for_cuda_is_the_same_rule(root: int, window: int | None):
    flex = pytest.importorskip("truing.models.flex", reason="needs torch's FlexAttention")
    trees = spans(root)
    index = torch.arange(trees[-1].end)
    zero = torch.tensor(0)
    mask = flex.tree_mask(trees, LENGTH, window, torch.device("cpu"))
    found = mask.mask_mod(zero, zero, index[:, None], index[None, :])
    assert torch.equal(found, dense_mask(trees, window)[: len(index), : len(index)])
