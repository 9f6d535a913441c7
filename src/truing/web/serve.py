"""The server of an app: where it listens, what it prints, how it ends.

    guard = guard_for("127.0.0.1", None, names=())
    serve(make_app("Runs", parts, guard), say=say)

It listens on this machine alone unless a password is given: whoever reaches the port could otherwise read and
write.
"""

import ipaddress
import os
import signal
import socket
import threading
from collections.abc import Callable, Sequence
from types import FrameType
from typing import Any

import uvicorn
from fastapi import FastAPI

from truing.core.errors import UsageError
from truing.core.messages import Say, message
from truing.web.guard import PageGuard

LOCAL = "127.0.0.1"
PORT = 8484  # the first that is tried where none is asked for
TRIED = 20
PASSWORD = "TRUING_PASSWORD"  # noqa: S105 - the name of an environment variable
LEAST = 8  # characters of a password
GRACE = 3  # seconds that open requests get when the server ends


def password_for(host: str, asked: bool, prompt: Callable[[], str]) -> str | None:
    """Return the password of a server: of the environment, else of `prompt` where one is `asked` for.

    Raises UsageError where `host` is not this machine alone and there is none, and for a short one.
    """
    found = os.environ.get(PASSWORD) or (prompt() if asked else None)
    if found is None and not is_loopback(host):
        said = message("{host} can be reached from other machines, and no password is set", host=host)
        raise UsageError(said, hint=message("set {name}, or give --password and type one", name=PASSWORD))
    if found is not None and len(found) < LEAST:
        said = message(
            "the password has {n} characters: expected at least {least}", n=len(found), least=LEAST
        )
        raise UsageError(said, hint=message("choose a longer one; nobody has to type it often"))
    return found


def guard_for(host: str, password: str | None, names: Sequence[str], **rules: Any) -> PageGuard:
    """Return the guard of a server on `host`; `names` are those it is called by, `rules` as of PageGuard."""
    return PageGuard(names=names, any_address=not is_loopback(host), password=password, **rules)


def is_loopback(host: str) -> bool:
    """Tell whether an address can be reached from this machine alone."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def listen(host: str, port: int | None) -> socket.socket:
    """Return a socket that listens; without a port on the first free one from PORT. Raises UsageError."""
    reason = ""
    for tried in range(PORT, PORT + TRIED) if port is None else [port]:
        try:
            sock = socket.create_server((host, tried), family=_family(host), backlog=512)
        except OSError as error:
            reason = error.strerror or str(error)
            continue
        # Connections inherit it. asyncio leaves it out where a protocol is not named, and the body of
        # every answer would wait for the browser to confirm the head: 40 ms.
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return sock
    said = message("{host} cannot be listened on: {reason}", host=host, reason=reason)
    raise UsageError(said, hint=message("choose another --port or --host"))


def _family(host: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in host else socket.AF_INET


def base_url(sock: socket.socket) -> str:
    """Return the URL of a listening socket, for a browser on this machine where it listens everywhere."""
    address, port = sock.getsockname()[:2]
    if ipaddress.ip_address(address).is_unspecified:
        address = LOCAL
    return f"http://[{address}]:{port}" if ":" in address else f"http://{address}:{port}"


class _Ending(uvicorn.Server):
    """A server that ends the streams of its app when a signal asks it to end."""

    def __init__(self, config: uvicorn.Config, ending: threading.Event) -> None:
        super().__init__(config)
        self.ending = ending

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        self.end()

    def end(self) -> None:
        """End after the requests that are open; from any thread."""
        self.ending.set()
        self.should_exit = True


def server_of(app: FastAPI) -> _Ending:
    """Return the server of an app, which `run(sockets=[…])` starts and `end()` ends."""
    config = uvicorn.Config(
        app,
        log_level="warning",
        access_log=False,
        lifespan="off",
        timeout_graceful_shutdown=GRACE,
        server_header=False,
        proxy_headers=False,
    )
    return _Ending(config, app.state.ending)


def serve(
    app: FastAPI,
    host: str = LOCAL,
    port: int | None = None,
    *,
    say: Say,
    opened: Callable[[str], None] = lambda base: None,
) -> None:
    """Serve an app until SIGINT or SIGTERM, and tell the URL that lets the owner in.

    `opened` is called with the URL of the server, before it answers, to tell further links. Raises
    UsageError for an address that cannot be listened on, or that other machines reach while the guard has no
    password.
    """
    guard: PageGuard = app.state.guard
    if guard.password is None and not is_loopback(host):
        password_for(host, False, str)
    with listen(host, port) as sock:
        say(message("open {url}", url=guard.url(base_url(sock))))
        opened(base_url(sock))
        say(message("Ctrl-C ends it"))
        before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            server_of(app).run(sockets=[sock])
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
