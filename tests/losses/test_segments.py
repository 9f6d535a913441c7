"""Against plain loops, on responses of unlike lengths."""

import pytest
import torch
from torch import Tensor

from truing.losses.segments import counts, discounted, lasts, means, sums

from ..tables import each

RESPONSE = torch.tensor([0, 0, 0, 1, 2, 2])
VALUES = torch.tensor([1.0, 2.0, 6.0, 5.0, -1.0, 2.0])


def plain_discounted(values: Tensor, response: Tensor, factor: float) -> list[float]:
    found: list[float] = []
    for t in reversed(range(len(values))):
        ends = t == len(values) - 1 or response[t] != response[t + 1]
        found.append(values[t].item() + (0.0 if ends else factor * found[-1]))
    return found[::-1]


def test_sums_stand_at_their_index():
    assert sums(VALUES, RESPONSE).tolist() == [9.0, 5.0, 1.0, 0.0, 0.0, 0.0]


def test_counts_and_means_stand_at_each_entry():
    assert counts(RESPONSE).tolist() == [3.0, 3.0, 3.0, 1.0, 2.0, 2.0]
    assert means(VALUES, RESPONSE).tolist() == [3.0, 3.0, 3.0, 5.0, 0.5, 0.5]


def test_the_entries_of_an_index_need_not_stand_together_for_a_mean():
    order = torch.tensor([4, 0, 3, 5, 2, 1])
    torch.testing.assert_close(means(VALUES[order], RESPONSE[order]), means(VALUES, RESPONSE)[order])


def test_lasts():
    assert lasts(RESPONSE).tolist() == [False, False, True, True, False, True]


def test_many_ones_in_bf16_are_counted():
    ones, response = torch.ones(1000, dtype=torch.bfloat16), torch.zeros(1000, dtype=torch.long)
    assert sums(ones, response)[0] == 1000
    assert means(ones, response).dtype is torch.bfloat16
    assert means(ones, response)[0] == 1
    assert discounted(ones, response, 1.0)[0] == 1000


@each("factor", [0.0, 0.5, 0.95, 1.0])
@each("lengths", [[1], [6], [2, 1, 5], [1, 1, 1], [3, 4, 8, 9, 1, 16, 17]], ids=str)
def test_discounted_is_the_plain_loop(lengths: list[int], factor: float):
    response = torch.arange(len(lengths)).repeat_interleave(torch.tensor(lengths))
    values = torch.randn(len(response), dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    assert discounted(values, response, factor).tolist() == pytest.approx(
        plain_discounted(values, response, factor)
    )


def test_no_tokens():
    for found in (sums(VALUES[:0], RESPONSE[:0]), means(VALUES[:0], RESPONSE[:0]), lasts(RESPONSE[:0])):
        assert found.shape == (0,)
    assert discounted(VALUES[:0], RESPONSE[:0], 0.9).shape == (0,)
