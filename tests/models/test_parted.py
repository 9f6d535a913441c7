"""Log-probabilities in parts: computed once, part by part, and read by item."""

import time
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor

from truing.data.packing import pack
from truing.data.trees import Branch, Tree
from truing.models import parted as module
from truing.models.parted import parted
from truing.models.world import World, world

from ..two_ranks import Two

TREES = [Tree([1], (Branch([2] * (1 + i), [True] * (1 + i)),)) for i in range(7)]


def logps_of(item: int) -> Tensor:
    return torch.arange(1 + item) + 10.0 * item


@pytest.fixture
def computed(monkeypatch: pytest.MonkeyPatch) -> tuple[list[range], Callable[[range], dict[int, Tensor]]]:
    """The parts that were asked for, and what computes them; a part has three items."""
    monkeypatch.setattr(module, "PART", 3)
    asked: list[range] = []

    def compute(items: range) -> dict[int, Tensor]:
        asked.append(items)
        return {place: logps_of(item) for place, item in enumerate(items)}

    return asked, compute


def test_items_are_read_in_the_order_of_a_batch(tmp_path: Path, computed):
    _, compute = computed
    found = parted(tmp_path, "k" * 64, len(TREES), compute)
    for items in ([6, 0, 3], [2], [5, 4, 1]):
        batch = pack([TREES[item] for item in items], items)
        assert torch.equal(found(batch), torch.cat(list(map(logps_of, items))))


def test_what_is_kept_is_not_computed_and_what_is_missing_or_damaged_is(tmp_path: Path, computed):
    asked, compute = computed
    found = parted(tmp_path, "k" * 64, len(TREES), compute)
    assert asked == [range(3), range(3, 6), range(6, 7)]
    asked.clear()
    parted(tmp_path, "k" * 64, len(TREES), compute)
    assert asked == []
    found.part_of(0).unlink()
    damaged = bytearray(found.part_of(6).read_bytes())
    damaged[-1] ^= 1
    found.part_of(6).write_bytes(damaged)
    again = parted(tmp_path, "k" * 64, len(TREES), compute)
    assert asked == [range(3), range(6, 7)]
    assert torch.equal(again(pack(TREES[6:], [6])), logps_of(6))
    parted(tmp_path, "other", len(TREES), compute)
    assert len(asked) == 5


@pytest.mark.parametrize("shared", [True, False])
def test_every_rank_reads_what_all_have_computed(
    shared: bool, two: Two, tmp_path: Path, computed, monkeypatch: pytest.MonkeyPatch
):
    asked, compute = computed
    real = module.write_atomic

    def slow(path: Path, data: bytes) -> None:
        time.sleep(0.3 * world().main)
        real(path, data)

    monkeypatch.setattr(module, "write_atomic", slow)

    def work(here: World) -> object:
        found = parted(tmp_path / ("both" if shared else f"of-{here.rank}"), "key", len(TREES), compute)
        return len(asked), found(pack(TREES[6:], [6])).tolist()

    assert two(work) == [[3, logps_of(6).tolist()]] * 2


def test_a_stop_keeps_the_parts_before_it(tmp_path: Path, computed):
    asked, compute = computed

    def stopped(items: range) -> dict[int, Tensor]:
        if items.start:
            raise KeyboardInterrupt
        return compute(items)

    with pytest.raises(KeyboardInterrupt):
        parted(tmp_path, "key", len(TREES), stopped)
    parted(tmp_path, "key", len(TREES), compute)
    assert asked == [range(3), range(3, 6), range(6, 7)]
