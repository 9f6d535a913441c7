"""Ranks that speak over gloo: values in their order, one error for all, gradients that add up."""

import os
import time

import pytest
import torch
from torch import nn

from truing.core.errors import DataError, TruingError
from truing.models.world import RankError, RanksApartError, World, checksums, require_equal, world
from truing.training.step import DivergedItems


def test_a_process_alone_is_the_whole_world():
    here, parameter = world(), nn.Parameter(torch.ones(2))
    parameter.grad = grad = torch.tensor([1.0, 2.0])
    assert here.alone and here.main
    assert here.gather(3) == [3] and here.from_main(lambda: 4) == 4
    here.add_up([parameter])
    assert parameter.grad is grad and here.join(grad) is grad
    with pytest.raises(DataError), here.together():
        raise DataError("mine")


def test_values_come_in_the_order_of_ranks(two):
    def work(here: World) -> object:
        own = torch.full((1 + here.rank,), float(here.rank))
        return here.gather(f"of {here.rank}"), here.from_main(lambda: here.rank), here.join(own).tolist()

    assert two(work) == [[["of 0", "of 1"], 0, [0.0, 1.0, 1.0]]] * 2


def test_gradients_add_up_and_a_parameter_without_any_stays_without(two):
    def work(here: World) -> object:
        both, mine, none = (nn.Parameter(torch.zeros(2, 2)) for _ in range(3))
        both.grad = torch.full((2, 2), 1.0 + here.rank)
        if here.rank == 1:
            mine.grad = torch.ones(2, 2)
        here.add_up([both, mine, none])
        assert both.grad is not None and mine.grad is not None
        return both.grad.tolist(), mine.grad.tolist(), none.grad, here.taken().reduced, here.taken().reduced

    assert two(work) == [[[[3.0, 3.0]] * 2, [[1.0, 1.0]] * 2, None, 4 * (3 * 4 + 3), 0]] * 2


def test_the_error_of_one_rank_is_raised_on_both_with_all_it_knows(two):
    def work(here: World) -> object:
        here.gather(0)
        if here.rank == 1:
            raise DivergedItems("loss is nan", [7, 5], first="a layer", hint="look")
        here.gather(1)
        return "not reached"

    first, second = two(work)
    facts = ["DivergedItems", "loss is nan (rows 5, 7), first in a layer", "look", [5, 7]]
    assert first == [*facts, False] and second == [*facts, True], "rank 0 tells it"


def test_an_error_of_rank_0_is_told_by_rank_0_alone(two):
    def work(here: World) -> object:
        if here.main:
            raise DataError("no rows", hint="bring some")
        return here.gather(None)

    first, second = two(work)
    assert first[-1] is False and second == ["DataError", "no rows", "bring some", None, True]


def test_a_fault_of_our_own_is_told_in_words(two):
    def work(here: World) -> object:
        if here.rank == 1:
            raise ZeroDivisionError("by hand")
        return here.gather(None)

    with pytest.raises(Exception, match="by hand"):
        two(work)


def test_a_rank_that_is_killed_ends_the_others_soon(two):
    began = time.monotonic()

    def work(here: World) -> object:
        here.gather(None)
        if here.rank == 1:
            os._exit(0)
        return here.gather(None)

    first, _ = two(work)
    assert first[0] == "RankError" and "without a word" in first[1]
    assert time.monotonic() - began < 30


def test_a_checksum_sees_one_bit():
    one, other = nn.Parameter(torch.ones(3)), nn.Parameter(torch.ones(3))
    assert checksums([one]) == checksums([other])
    other.data[1] = torch.nextafter(other.data[1], torch.tensor(2.0))
    apart = [checksums([one, one]), checksums([one, other])]
    with pytest.raises(RanksApartError, match="different values of second"):
        require_equal(["first", "second"], apart)
    require_equal(["first", "second"], [apart[0], apart[0]])


def test_the_error_of_another_rank_is_one_of_its_own_kind():
    assert issubclass(RankError, TruingError) and RankError("x").exit_code == 1
