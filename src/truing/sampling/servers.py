"""One HTTP server: its state, the requests to it, and their repetition.

A request that fails in passing (no connection, no answer in time, 429, 5xx) is sent again, each time after
a longer pause. A server that fails `TRIES` times in a row at one request is down.
"""

import asyncio
import os
import threading
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import httpx2

from truing.core.errors import ConfigError, ModelError
from truing.core.messages import message
from truing.core.pools import pooled
from truing.core.retries import Tries, retry_after

TRIES = 5
FIRST_PAUSE = 0.5  # seconds; doubled after each further failure, half of it at random
LONGEST_PAUSE = 60.0  # seconds; a server may ask for more with Retry-After
CONNECT_TIMEOUT = 10.0  # seconds
LOOK_SECONDS = 10.0  # that a server may take to say that it is well
UNBOUNDED = httpx2.Limits(max_connections=None)  # the callers bound what is under way
API_KEY = "VLLM_API_KEY"  # the variable from which vLLM takes the key that it asks for


class ServerDown(Exception):
    """The server cannot be used for now; another server may do the same request."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason  # a message, where it is one


class Refused(Exception):
    """The server understood a request and refused it: another try, or another server, will not help."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(f"HTTP {status}: {message}")
        self.status = status
        self.message = message


@dataclass(eq=False)
class Server:
    """One server and its state."""

    url: str  # without /v1
    up: bool = False  # it is in use
    error: str = ""  # the reason why it was left out; empty for one that never was
    model: str = ""  # the name its own weights are served under; empty until it was asked
    context: int | None = None  # most tokens of prompt and response, where it says so
    adapter: str = ""  # the name of the LoRA adapter it draws from; empty for its own weights
    stamp: str = ""  # what it says of whole weights that it was given; empty where it can say nothing
    version: int = 0  # the step of its weights; 0 for those it started with
    processed: bool | None = None  # log-probabilities are those after filters; None: not asked yet
    pace: float | None = None  # tokens per second of one response, a running mean; None: not measured yet
    failures: int = 0  # attempts in a row to take it into use
    next_try: float = 0.0  # of the monotonic clock
    turn: threading.Lock = field(default_factory=threading.Lock)  # held by whoever takes it into use

    @property
    def serving(self) -> str:
        """Return the name of the newest weights, for the `model` of a request."""
        return self.adapter or self.model

    def forget(self) -> None:
        """Forget what the server said: it may have been started anew. Its adapter is unloaded later."""
        self.model, self.stamp, self.processed = "", "", None

    def measured(self, tokens: int, seconds: float) -> None:
        """Take one response into the pace; the newest counts a tenth."""
        now = tokens / max(seconds, 1e-6)
        self.pace = now if self.pace is None else self.pace + (now - self.pace) / 10


def clean_urls(urls: Sequence[str]) -> list[str]:
    """Return URLs without /v1 at their ends. Raises ConfigError for one that is none, or given twice."""
    cleaned = [url.rstrip("/").removesuffix("/v1").rstrip("/") for url in urls]
    for given, url in zip(urls, cleaned, strict=True):
        if not url.startswith(("http://", "https://")):
            raise ConfigError(f"{given!r} is no server", hint="write it like http://127.0.0.1:8000")
        if cleaned.count(url) > 1:
            raise ConfigError(f"the server {url} is given twice", hint="name every server once")
    return cleaned


def make_client(timeout: float) -> httpx2.AsyncClient:
    """Make a client for all servers, whose requests may take `timeout` seconds each."""
    key = os.environ.get(API_KEY)
    return httpx2.AsyncClient(
        headers={"Authorization": f"Bearer {key}"} if key else {},
        timeout=httpx2.Timeout(timeout, connect=CONNECT_TIMEOUT, pool=None),
        limits=UNBOUNDED,
        transport=pooled(UNBOUNDED),
    )


async def ask(
    client: httpx2.AsyncClient,
    server: Server,
    path: str,
    body: Any = None,
    *,
    most: int | None = None,
    again: Callable[[], Awaitable[None]] | None = None,
) -> httpx2.Response:
    """POST `body` as JSON, or GET without a body, until the answer is a 2xx.

    Raises Refused at once for an answer that another try will not change, ServerDown after `most` failures,
    by default `TRIES`. `again` is awaited before every further try, and may raise.
    """
    tries = Tries(most or TRIES, FIRST_PAUSE, LONGEST_PAUSE, spread=0.5)
    while True:
        asked, cost = 0.0, 1
        try:
            response = await client.request("GET" if body is None else "POST", server.url + path, json=body)
        except httpx2.TransportError as error:
            reason = _in_words(error, client)
            # Waiting out the timeout costs time: a server that hangs is asked twice, not `TRIES` times.
            cost = TRIES // 2 + 1 if isinstance(error, httpx2.ReadTimeout) else 1
        else:
            if response.is_success:
                return response
            refused = Refused(response.status_code, said_by(response))
            if response.status_code < 500 and response.status_code not in (408, 429):
                raise refused
            reason, asked = str(refused), retry_after(response.headers.get("Retry-After"))
        pause = tries.failed(asked, cost)
        if pause is None:
            raise ServerDown(reason)
        await asyncio.sleep(pause)
        if again is not None:
            await again()


async def ask_once(
    client: httpx2.AsyncClient, server: Server, path: str, body: Any = None, *, seconds: float = LOOK_SECONDS
) -> httpx2.Response:
    """Ask a single time, and wait `seconds` at most. Raises Refused and ServerDown as `ask` does."""
    try:
        async with asyncio.timeout(seconds):
            return await ask(client, server, path, body, most=1)
    except TimeoutError as error:
        raise ServerDown(message("no answer within {seconds:g} s", seconds=seconds)) from error


def _in_words(error: httpx2.TransportError, client: httpx2.AsyncClient) -> str:
    if isinstance(error, httpx2.ReadTimeout):
        return message("no answer within {seconds:g} s", seconds=client.timeout.read)
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__


def said_by(response: httpx2.Response) -> str:
    """Read the words of a server on its error, in the forms of vLLM, of FastAPI and of a proxy."""
    try:
        body = response.json()
    except ValueError:
        return response.text.strip()[:300] or response.reason_phrase
    if isinstance(body, dict):
        error = body.get("error", body.get("detail", body))
        return str(error["message"] if isinstance(error, dict) and "message" in error else error)
    return str(body)


def read_json(server: Server, response: httpx2.Response) -> Any:
    """Read a server's answer as JSON. Raises ModelError when it is not JSON."""
    try:
        return response.json()
    except ValueError as error:
        raise ModelError(
            f"{server.url} did not answer {response.url.path} in JSON", hint="is it a vLLM server?"
        ) from error


async def open_server(client: httpx2.AsyncClient, model: str | None, server: Server) -> None:
    """Ask a server, once, for its context and its names; use `model`, or else the first name."""
    if server.model:
        return
    try:
        response = await ask_once(client, server, "/v1/models")
    except Refused as refused:
        raise explained(server, refused) from refused
    bases = {card["id"]: card for card in read_json(server, response)["data"] if not card.get("parent")}
    name = model or next(iter(bases), "")
    if name not in bases:
        raise ConfigError(
            f"{server.url} does not serve {name!r}, but {', '.join(bases) or 'nothing'}",
            hint="start it with --served-model-name, or name a model that it serves",
        )
    server.model, server.context = name, bases[name].get("max_model_len")


async def answers(client: httpx2.AsyncClient, server: Server) -> bool:
    """Tell whether a server says that it is well, or is none that can say so; one request, `LOOK_SECONDS`."""
    try:
        response = await client.get(server.url + "/health", timeout=LOOK_SECONDS)
    except httpx2.TransportError:
        return False
    return response.status_code < 500


async def require_stamp(client: httpx2.AsyncClient, server: Server) -> None:
    """Raise ServerDown where a server no longer holds the whole weights that it was given."""
    if not server.stamp:
        return
    try:
        info = read_json(server, await ask_once(client, server, "/weight_info"))
    except Refused as refused:
        said = "it does not say which weights it holds: {reason}"
        raise ServerDown(message(said, reason=refused)) from refused
    if info.get("weight_version") != server.stamp:
        said = "it has lost the weights of step {step}: it was started anew"
        raise ServerDown(message(said, step=server.version))


def explained(server: Server, refused: Refused) -> ConfigError | ModelError:
    """Return the error that tells the user of a refusal that no other server would change."""
    if refused.status in (401, 403):
        return ConfigError(f"{server.url} asks for a key: {refused}", hint=f"set {API_KEY} to it")
    return ModelError(f"{server.url} refused: {refused}", hint="see what the server printed")
