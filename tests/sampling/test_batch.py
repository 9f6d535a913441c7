"""Rows that are decoded together, and prompts put into batches."""

import torch

from truing.sampling.batch import Batch, BatchPart, OpenResponse, plan_batches
from truing.sampling.noise import Address


class Rows:
    """A reading that remembers which rows it was told to keep."""

    def extend(self, tokens: torch.Tensor) -> None:
        self.extended = tokens.tolist()

    def keep(self, index) -> None:
        self.kept = list(index)


def test_a_part_is_halved_until_it_is_one_row():
    part = BatchPart([1, 2, 3], [0, 1])
    assert part.rows == 6
    assert part.halves() == [BatchPart([1], [0, 1]), BatchPart([2, 3], [0, 1])]
    assert BatchPart([1], [0, 1, 2]).halves() == [BatchPart([1], [0]), BatchPart([1], [1, 2])]
    assert BatchPart([1], [0]).halves() == []


def test_tensors_follow_their_rows():
    rows = [OpenResponse(place, 0, 4, Address(place, 0)) for place in range(3)]
    reading = Rows()
    batch = Batch(rows, reading, torch.arange(6.0).view(3, 2), torch.zeros(3, 5, dtype=torch.bool))  # pyright: ignore
    batch.extend(torch.tensor([4, 0, 1]))
    batch.keep([2, 0])
    assert [row.prompt for row in batch.rows] == [2, 0] == reading.kept
    assert batch.noise is not None and batch.seen is not None
    assert batch.noise.tolist() == [[4, 5], [0, 1]] and batch.seen.nonzero().tolist() == [[0, 1], [1, 4]]


def test_batches_hold_neighbours_in_length_within_the_bound() -> None:
    """Groups of 2 with 10 to come: 2 rows of 30 are 60, 4 of 15 are 60, and 100 alone exceeds any bound."""
    assert plan_batches([5, 20, 4, 90, 5], [10] * 5, 2, 60) == [[3], [1], [0, 4], [2]]
