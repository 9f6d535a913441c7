"""Lined up or path by path, a tree is attended to alike: the two are compared with a dense mask."""

import pytest
import torch

from truing.data.packing import Span
from truing.kernels import attention_cpu

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
    flex = pytest.importorskip("truing.kernels.flex", reason="needs torch's FlexAttention")
    trees = spans(root)
    index = torch.arange(trees[-1].end)
    zero = torch.tensor(0)
    mask = flex.tree_mask(trees, LENGTH, window, torch.device("cpu"))
    found = mask.mask_mod(zero, zero, index[:, None], index[None, :])
    assert torch.equal(found, dense_mask(trees, window)[: len(index), : len(index)])


@pytest.mark.parametrize("short", [0, 256])
def test_what_was_planned_in_inference_mode_serves_a_backward_pass(monkeypatch, short: int) -> None:
    monkeypatch.setattr(attention_cpu, "SHORT", short)
    trees = (Span(0, 41, ((41, 60), (60, 79))),)
    query, key, value = (torch.randn(1, h, 79, WIDTH, dtype=torch.float64) for h in (HEADS, GROUPS, GROUPS))
    with torch.inference_mode():
        attention_cpu.trees_on_cpu(query, key, value, trees, 0.3, None)
    attention_cpu.trees_on_cpu(query.requires_grad_(), key, value, trees, 0.3, None).sum().backward()
    assert query.grad is not None and query.grad.abs().sum() > 0


def test_branches_go_together_where_they_are_alike_and_few() -> None:
    def asked(*ends: int, prompt: int = 40, window: int | None = None, dtype=torch.bfloat16) -> bool:
        bounds = tuple(zip((prompt, *ends), ends, strict=False))
        query = torch.zeros(1, HEADS, ends[-1], WIDTH, dtype=dtype)
        return attention_cpu.goes_together(Span(0, prompt, bounds), query, window)

    assert asked(60, 80) and asked(60, 75)
    assert not asked(60), "one branch"
    assert not asked(60, 62), "mostly padding"
    assert not asked(60, 80, window=9) and not asked(60, 80, dtype=torch.float32)
    assert not asked(60_020, 60_040, prompt=60_000), "too many scores to keep"


def test_bfloat16_branches_together_are_as_close_as_by_paths() -> None:
    """Against float64: a prompt of 40 tokens and branches of 20, 17 and 20."""
    span = Span(0, 40, ((40, 60), (60, 77), (77, 97)))
    exact = [torch.randn(1, h, 97, WIDTH, dtype=torch.float64) for h in (HEADS, GROUPS, GROUPS)]
    low = [part.bfloat16() for part in exact]
    exact = [part.double() for part in low]
    wanted = attention_cpu.tree_by_paths(*exact, span, 0.3, None)
    assert attention_cpu.goes_together(span, low[0], None)
    together = (attention_cpu.tree_together(*low, span, 0.3).double() - wanted).abs().mean()
    by_paths = (attention_cpu.tree_by_paths(*low, span, 0.3, None).double() - wanted).abs().mean()
    assert together < 2 * by_paths
