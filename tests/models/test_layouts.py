"""Bytes of a rank by hand: weights, gradients, moments, and what a sharded model gathers."""

from dataclasses import replace

import pytest

from truing.models.layouts import ONE, REPLICATED, SHARDED, Needs, memory_of
from truing.models.outline import GroupBytes, PassMemory

FULL = Needs(
    root=GroupBytes(0, 100, 0),
    layer=GroupBytes(0, 50, 0),
    whole=GroupBytes(0, 500, 0),
    beside=40,
    opening=0,
    learning=PassMemory(gradients=500, activations=300, working=70),
    sampler=0,
    joined=0,
    process=9,
    together=False,
)
LORA = Needs(
    root=GroupBytes(100, 0, 0),
    layer=GroupBytes(50, 0, 5),
    whole=GroupBytes(500, 0, 40),
    beside=0,
    opening=0,
    learning=PassMemory(gradients=40, activations=300, working=70),
    sampler=0,
    joined=0,
    process=9,
    together=False,
)


def total(needs: Needs, layout: str, ranks: int) -> int:
    return sum(memory_of(needs, layout, ranks).values())


def test_one_rank_holds_everything():
    assert memory_of(FULL, ONE, 1) == {
        "weights": 540,
        "optimiser": 1000,
        "process": 9,
        "gradients": 500,
        "activations": 300,
        "working": 70,
        "gathered": 0,
    }


def test_a_replica_is_no_smaller():
    """Its update sums gradients over ranks through a copy of them, when the activations have gone."""
    assert memory_of(FULL, REPLICATED, 4)["weights"] == memory_of(FULL, ONE, 1)["weights"] == 540
    assert total(FULL, REPLICATED, 4) == 540 + 1000 + 9 + 500 + 500


def test_shards_divide_weights_gradients_and_moments():
    """A quarter of 540, 1000 and 500; and whole: the root with its gradient, two layers, one's gradient."""
    found = memory_of(FULL, SHARDED, 4)
    assert (found["weights"], found["optimiser"], found["gradients"]) == (135, 250, 125)
    assert found["gathered"] == 2 * 100 + 2 * 50 + 50


def test_adapters_stay_whole_beside_a_sharded_base():
    found = memory_of(LORA, SHARDED, 4)
    assert (found["weights"], found["optimiser"], found["gradients"]) == (125 + 40, 80, 40)
    assert found["gathered"] == 100 + 2 * 50


def test_a_sampler_of_shards_needs_all_weights_beside_its_own_part():
    needs = replace(FULL, sampler=900, joined=540)
    assert total(needs, SHARDED, 4) == 135 + 250 + 9 + 125 + 900 + 540
    assert total(needs, REPLICATED, 4) == 540 + 1000 + 9 + 500 + 900, "a replica has them"


@pytest.mark.parametrize(
    ("changes", "fullest"),
    [
        ({"learning": PassMemory(0, 10, 10), "together": True}, 540 + 1000 + 9 + 500 + 500),
        ({"learning": PassMemory(0, 10, 10)}, 540 + 1000 + 9 + 500),
        ({"opening": 3000}, 540 + 3000 + 9 + 70),
        ({"sampler": 900}, 540 + 1000 + 9 + 500 + 900),
        ({"learning": PassMemory(100, 600, 10)}, 540 + 1000 + 9 + 100 + 610),
    ],
)
def test_the_peak_is_the_fullest_moment(changes, fullest):
    assert total(Needs(**{**vars(FULL), **changes}), ONE, 1) == fullest
