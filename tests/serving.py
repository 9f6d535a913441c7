"""The one HTTP server of the tests: a function from a request to a reply, on a port of this machine.

server = Server(lambda request: completion("SCORE: 7"))
server.url           http://127.0.0.1:PORT
server.released      an event that `close` sets: what hangs waits for it
"""

import json
import socket
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass(frozen=True)
class Request:
    """A request of a client. `body` is its JSON, None where it sent nothing."""

    method: str
    path: str
    headers: Mapping[str, str]  # by names in lower case
    body: Any


@dataclass(frozen=True)
class Reply:
    """A response of the server."""

    body: bytes = b""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    before: Callable[[], object] = lambda: None  # done before anything is sent
    drip: float = 0.0  # seconds between two bytes of the body
    closes: bool = False  # the connection ends without an answer


def as_json(content: Any, status: int = 200, **headers: str) -> Reply:
    """A reply in JSON; a header's name is written with underscores."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Reply(json.dumps(content).encode(), status, named)


def completion(text: str | None, *, finish: str = "stop", refusal: str | None = None) -> Reply:
    """A chat completion as OpenAI's servers give it."""
    message = {"role": "assistant", "content": text, "refusal": refusal}
    choice = {"index": 0, "message": message, "finish_reason": finish}
    return as_json({"id": "1", "object": "chat.completion", "choices": [choice]})


class _Quiet(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128  # of 5, the sixth of many at once waits for seconds

    def handle_error(self, request: object, client_address: object) -> None:
        """Clients that hang up are part of the tests: nothing is printed."""


class Server:
    """Answers by `answer` from many threads until it is closed."""

    def __init__(self, answer: Callable[[Request], Reply]) -> None:
        self.released = threading.Event()
        self._server = _Quiet(("127.0.0.1", 0), _handler(answer))
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()

    @property
    def port(self) -> int:
        return self._server.server_port

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def close(self) -> None:
        self.released.set()
        self._server.shutdown()
        self._server.server_close()


class Scripted:
    """A chat model behind an address that answers as a test tells it to, and keeps what it was asked."""

    def __init__(self, answer: Callable[[str], str]) -> None:
        self.answer = answer
        self.requests: list[str] = []
        self.server = Server(self._reply)

    def _reply(self, request: Request) -> Reply:
        text = request.body["messages"][0]["content"]
        self.requests.append(text)
        return completion(self.answer(text))

    @property
    def spec(self) -> dict[str, Any]:
        """The role or judge of a recipe that asks this model."""
        return {"name": "server", "model": "m", "base_url": f"{self.server.url}/v1", "api_key_env": None}


def _handler(answer: Callable[[Request], Reply]) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            content = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            headers = {name.lower(): value for name, value in self.headers.items()}
            reply = answer(
                Request(self.command, self.path, headers, json.loads(content) if content else None)
            )
            reply.before()
            if reply.closes:
                self.close_connection = True
                self.connection.shutdown(socket.SHUT_RDWR)
                return
            try:
                self._send(reply)
            except ConnectionError:  # the client has given up
                self.close_connection = True

        do_POST = do_HEAD = do_GET

        def _send(self, reply: Reply) -> None:
            self.send_response(reply.status)
            length = {"Content-Length": str(len(reply.body))}
            for name, value in {"Content-Type": "application/json", **length, **reply.headers}.items():
                self.send_header(name, value)
            self.end_headers()
            if self.command == "HEAD":
                return
            for at in range(len(reply.body)) if reply.drip else ():
                self.wfile.write(reply.body[at : at + 1])
                time.sleep(reply.drip)
            if not reply.drip:
                self.wfile.write(reply.body)

        def log_message(self, format: str, *args: object) -> None:
            """Nothing is printed."""

    return Handler
