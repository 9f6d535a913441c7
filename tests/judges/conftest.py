"""A stand-in for an OpenAI-compatible server, which the real client library talks to over HTTP."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from truing.judges.client import Endpoint

KEY = "sk-very-secret-0123456789"


@dataclass(frozen=True)
class Reply:
    """What the server sends."""

    body: bytes
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    before: Callable[[], object] = lambda: None  # done before anything is sent
    drip: float = 0.0  # seconds between two bytes of the body


def says(text: str | None, *, finish: str = "stop", refusal: str | None = None) -> Reply:
    """A chat completion."""
    message = {"role": "assistant", "content": text, "refusal": refusal}
    choice = {"index": 0, "message": message, "finish_reason": finish}
    return Reply(json.dumps({"id": "1", "object": "chat.completion", "choices": [choice]}).encode())


def fails(status: int, message: str = "no", code: str | None = None, **headers: str) -> Reply:
    body = json.dumps({"error": {"message": message, "code": code}}).encode()
    return Reply(body, status, {name.replace("_", "-"): value for name, value in headers.items()})


Script = Callable[[str, int], Reply]  # last user turn, how many requests came before


class StandIn:
    """Answers by `script`, and remembers what it was asked."""

    def __init__(self) -> None:
        self.script: Script = lambda text, before: says("SCORE: 10")
        self.asked: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.at_once = self.most_at_once = 0
        self.released = threading.Event()  # ends every hang
        self._lock = threading.Lock()
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_port}/v1"

    def close(self) -> None:
        self.released.set()
        self.server.shutdown()
        self.server.server_close()

    def answer(self, path: str, headers: dict[str, str], request: dict[str, Any]) -> Reply:
        assert path == "/v1/chat/completions"
        with self._lock:
            before = len(self.asked)
            self.asked.append(request)
            self.headers.append(headers)
            self.at_once += 1
            self.most_at_once = max(self.most_at_once, self.at_once)
        reply = self.script(request["messages"][-1]["content"], before)
        reply.before()
        with self._lock:
            self.at_once -= 1
        return reply

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        stand_in = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                content = self.rfile.read(int(self.headers["Content-Length"]))
                reply = stand_in.answer(
                    self.path, {k.lower(): v for k, v in self.headers.items()}, json.loads(content)
                )
                try:
                    self.send_response(reply.status)
                    for name, value in {"Content-Type": "application/json", **reply.headers}.items():
                        self.send_header(name, value)
                    if "Content-Length" not in reply.headers:
                        self.send_header("Content-Length", str(len(reply.body)))
                    self.end_headers()
                    for at in range(len(reply.body)) if reply.drip else ():
                        self.wfile.write(reply.body[at : at + 1])
                        time.sleep(reply.drip)
                    if not reply.drip:
                        self.wfile.write(reply.body)
                except ConnectionError:  # the client has given up
                    self.close_connection = True

            def log_message(self, format: str, *args: object) -> None:
                pass

        return Handler


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
        text = staticmethod(says)
        error = staticmethod(fails)
        raw = Reply
        key = KEY

    return Replies
