"""Lined up or path by path, a tree is attended to alike: the two are compared with a dense mask."""

import pytest
import torch

from truing.data.packing import Span
from truing.models import attention_cpu

SPANS = (
    Span(0, 6, ((6, 9), (9, 14))),
    Span(14, 16, ((16, 20),)),
    Span(20, 60, ((60, 75), (75, 76), (76, 90))),
    Span(90, 93, ((93, 94), (94, 99))),
)
LENGTH, HEADS, GROUPS, WIDTH = 99, 4, 2, 8


def dense_mask(window: int | None) -> torch.Tensor:
    """[L, L] bool, written token by token from the rule."""
    mask = torch.zeros(LENGTH, LENGTH, dtype=torch.bool)
    for span in SPANS:
        prompt = list(range(span.start, span.prompt_end))
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
def test_attention_follows_the_rule_in_value_and_gradient(monkeypatch, short: int, window: int | None):
    monkeypatch.setattr(attention_cpu, "SHORT", short)
    query, key, value = inputs()
    shared = HEADS // GROUPS
    scores = query @ key.repeat_interleave(shared, 1).transpose(2, 3) * 0.3
    scores = scores.masked_fill(~dense_mask(window), float("-inf"))
    expected = scores.softmax(-1) @ value.repeat_interleave(shared, 1)
    got = attention_cpu.trees_on_cpu(query, key, value, SPANS, 0.3, window)
    torch.testing.assert_close(got, expected)
    weights = torch.randn_like(expected)
    wanted = torch.autograd.grad((expected * weights).sum(), (query, key, value))
    found = torch.autograd.grad((got * weights).sum(), (query, key, value))
    for ours, theirs in zip(found, wanted, strict=True):
        torch.testing.assert_close(ours, theirs)
