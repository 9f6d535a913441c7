"""A stand-in for an OpenAI-compatible server, which the real client library talks to over HTTP."""

import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest

from truing.judges.endpoint import Endpoint

from ..serving import Reply, Request, Server, as_json, completion

KEY = "sk-very-secret-0123456789"


def fails(status: int, message: str = "no", code: str | None = None, **headers: str) -> Reply:
    return as_json({"error": {"message": message, "code": code}}, status, **headers)


Script = Callable[[str, int], Reply]  # last user turn, how many requests came before


class StandIn:
    """Answers by `script`, and remembers what it was asked."""

    def __init__(self) -> None:
        self.script: Script = lambda text, before: completion("SCORE: 10")
        self.asked: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.at_once = self.most_at_once = 0
        self._lock = threading.Lock()
        self.server = Server(self.answer)
        self.url = f"{self.server.url}/v1"
        self.released = self.server.released  # ends every hang
        self.close = self.server.close

    def answer(self, request: Request) -> Reply:
        assert request.path == "/v1/chat/completions"
        with self._lock:
            before = len(self.asked)
            self.asked.append(request.body)
            self.headers.append(dict(request.headers))
            self.at_once += 1
            self.most_at_once = max(self.most_at_once, self.at_once)
        reply = self.script(request.body["messages"][-1]["content"], before)
        reply.before()
        with self._lock:
            self.at_once -= 1
        return replace(reply, before=lambda: None)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[StandIn]:
    """A stand-in that always says SCORE: 10, until it is given another script."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    stand_in = StandIn()
    yield stand_in
    stand_in.close()


@pytest.fixture
def endpoint(server: StandIn) -> Callable[..., Endpoint]:
    """Makes an endpoint at the stand-in."""

    def make(**options: Any) -> Endpoint:
        return Endpoint(**{"model": "wise", "base_url": server.url, "retries": 1, **options})

    return make


@pytest.fixture
def replies() -> Any:
    """The functions that make replies, and the key that the client is given."""

    class Replies:
        text = staticmethod(completion)
        error = staticmethod(fails)
        raw = Reply
        key = KEY

    return Replies
