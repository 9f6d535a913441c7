"""Pauses before asking again, worked out by hand."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from truing.core.retries import Tries, retry_after


def test_a_pause_is_doubled_up_to_the_longest_and_the_last_failure_has_none():
    tries = Tries(6, first=0.5, longest=3.0)
    assert [tries.failed() for _ in range(6)] == [0.5, 1.0, 2.0, 3.0, 3.0, None]
    assert tries.done == 6


def test_what_is_asked_for_is_waited_for_but_no_longer_than_the_longest():
    tries = Tries(9, first=0.5, longest=60.0)
    assert [tries.failed(asked) for asked in (2.5, 0.1, 3600.0)] == [2.5, 1.0, 60.0]


def test_half_of_a_pause_may_be_random():
    pauses = {Tries(2, first=8.0, spread=0.5).failed() for _ in range(50)}
    assert len(pauses) > 1 and all(pause is not None and 4 <= pause <= 8 for pause in pauses)


@pytest.mark.parametrize(("costs", "asked"), [([1] * 5, 5), ([3, 3], 2), ([1, 3, 1], 3)])
def test_an_expensive_failure_counts_as_several(costs: list[int], asked: int):
    tries = Tries(5, first=0.0)
    pauses = [tries.failed(cost=cost) for cost in costs]
    assert pauses[-1] is None and None not in pauses[:-1]
    assert tries.done == asked


def test_one_try_is_never_repeated():
    assert Tries(1, first=0.5).failed() is None


def test_retry_after_is_a_number_or_a_date():
    assert retry_after("2.5") == 2.5
    soon = format_datetime(datetime.now(UTC) + timedelta(seconds=30), usegmt=True)
    assert 25 < retry_after(soon) <= 30
    past = format_datetime(datetime.now(UTC) - timedelta(seconds=30), usegmt=True)
    far = f"Mon, 01 Jan {10**30} 00:00:00 GMT"
    assert [retry_after(value) for value in (None, "", "soon", "-1", "nan", past, far)] == [0.0] * 7
