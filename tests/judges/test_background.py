"""Coroutines in a thread beside the caller's own loop."""

import asyncio
import threading

import pytest

from truing.judges.background import Background


async def where() -> str:
    return threading.current_thread().name


async def fail() -> None:
    raise ValueError("there")


def test_results_and_errors_come_back_even_from_within_a_loop():
    background = Background()

    async def notebook() -> str:
        return background.run(where())

    assert background.run(where()) == asyncio.run(notebook()) == "judge"
    with pytest.raises(ValueError, match="there"):
        background.run(fail())


def test_closing_runs_the_last_work():
    background, ended = Background(), threading.Event()

    async def last() -> None:
        ended.set()

    background.close(last())
    assert ended.wait(10)
