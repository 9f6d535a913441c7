"""The mask for CUDA is the rule of packed trees: root, own prompt, own branch, and what came before."""

import torch

from truing.data.packing import Span
from truing.kernels.flex import tree_mask

# A row of two trees that share a root of two tokens: 2-3 and 8 are prompts, the rest branches.
SPANS = (Span(2, 4, ((4, 6), (6, 8)), root=2), Span(8, 9, ((9, 11),), root=2))
CPU = torch.device("cpu")


def allowed(window: int | None) -> torch.Tensor:
    mask = tree_mask(SPANS, 11, window, CPU)
    at = torch.arange(11)
    zero = torch.tensor(0)
    return torch.stack([torch.stack([mask.mask_mod(zero, zero, q, k) for k in at]) for q in at])


def seen(query: int, window: int | None = None) -> list[int]:
    return allowed(window)[query].nonzero()[:, 0].tolist()


def test_a_token_sees_the_root_its_prompt_and_its_own_branch():
    assert seen(5) == [0, 1, 2, 3, 4, 5]
    assert seen(7) == [0, 1, 2, 3, 6, 7], "not the other branch"
    assert seen(10) == [0, 1, 8, 9, 10], "not the other tree"


def test_a_window_counts_along_the_path():
    """Token 6 is the fifth of its path, behind 3: what lies between in the row does not count."""
    assert seen(6, window=2) == [3, 6]
    assert seen(8, window=2) == [1, 8]


def test_the_mask_of_a_row_is_made_once():
    assert tree_mask(SPANS, 11, None, CPU) is tree_mask(SPANS, 11, None, CPU)
    assert tree_mask(SPANS, 11, 3, CPU) is not tree_mask(SPANS, 11, None, CPU)
