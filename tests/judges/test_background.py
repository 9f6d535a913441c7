"""Connections outlive a call, also inside a running loop, and end with the judge."""

import asyncio
import threading
from collections.abc import Callable
from typing import Any

import pytest

from truing.core.records import user
from truing.judges.background import Background
from truing.judges.client import Judge
from truing.judges.endpoint import Endpoint

from .said import said

ABCDE = [user(letter) for letter in "abcde"]
MakeEndpoint = Callable[..., Endpoint]


def test_connections_are_used_again_by_the_next_call(server, endpoint: MakeEndpoint, monkeypatch):
    made = []
    accept = server.server._server.process_request
    monkeypatch.setattr(
        server.server._server,
        "process_request",
        lambda request, client: (made.append(client), accept(request, client)),
    )
    server.script = lambda text, before: said("7")
    judge = Judge(endpoint())
    for question in ABCDE:
        assert judge.ask([question], float) == [7.0]
    assert len(made) == 1


def test_a_judge_may_be_asked_within_a_loop_as_in_a_notebook(server, endpoint: MakeEndpoint):
    server.script = lambda text, before: said("7")

    async def cell() -> list[Any]:
        return Judge(endpoint()).ask(ABCDE, float)

    assert asyncio.run(cell()) == [7.0] * 5


def test_the_thread_of_a_judge_ends_with_it(server, endpoint: MakeEndpoint):
    server.script = lambda text, before: said("7")
    judge = Judge(endpoint())
    judge.ask(ABCDE, float)
    (thread,) = [each for each in threading.enumerate() if each.name == "judge" and each.is_alive()][-1:]
    del judge
    thread.join(5)
    assert not thread.is_alive()


def test_an_error_of_the_work_is_raised_where_it_was_asked_for():
    async def fails() -> None:
        raise ValueError("no")

    background = Background()
    with pytest.raises(ValueError, match="no"):
        background.run(fails())
    background.close(asyncio.sleep(0))
