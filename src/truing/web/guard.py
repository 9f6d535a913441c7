"""The guard of every page: who may see it, and from where a request may come.

    guard = PageGuard()                            # one owner, let in by the token of the printed URL
    app = make_app("runs", [part], guard)
    guard.url("http://127.0.0.1:8484")         # what the terminal prints

Whoever opens the printed URL gets a cookie in place of its token. Other people have sessions that the part of
an app which invited them knows: `resolve` turns a session's secret into a person, and `PageGuard.admit` gives
the browser that secret. A route reads its visitor with `visitor(request)`.

Beside that, of every request: the Host is one of this server (no other name resolves to it: DNS rebinding),
a request that changes anything comes from a page of this server (Origin, Sec-Fetch-Site, and a header with a
value that only such a page knows), and its body is bounded. Every response forbids code, styles, frames and
loading from anywhere else.
"""

import hashlib
import hmac
import ipaddress
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from http.cookies import CookieError, SimpleCookie
from typing import Any
from urllib.parse import parse_qs, urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

POLICY = "default-src 'self'; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
HEADERS = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
}
CSRF = "x-truing-csrf"
SAFE = ("GET", "HEAD")
LOOPBACK = ("127.0.0.1", "localhost", "[::1]")
MOST_BYTES = 2_000_000  # of a request's body
YEAR = 31_536_000  # seconds


class Turned(StrEnum):
    """The reasons that a request gets no further than the guard."""

    HOST = "host"  # it asks for another server
    ORIGIN = "origin"  # another page sent it
    CSRF = "csrf"  # it lacks the value that pages of its session know
    SIZE = "size"  # its body is too large
    UNKNOWN = "unknown"  # nobody has let this visitor in
    ENTERED = "entered"  # it holds the token: the visitor gets a cookie first


@dataclass(frozen=True)
class Visitor:
    """Whoever made a request: the owner of the process, an invited person, or nobody yet."""

    owner: bool = False
    person: Any = None  # what `PageGuard.resolve` returned
    session: str = ""  # the secret in the cookie

    @property
    def known(self) -> bool:
        return self.owner or self.person is not None

    @property
    def csrf(self) -> str:
        """The value that pages of this session send back with a request that changes something."""
        return hashlib.sha256(b"csrf:" + self.session.encode()).hexdigest()


@dataclass
class PageGuard:
    """The rules of one server. `open_paths` begin the paths that a visitor without a session may see.

    `names` are further names of this server, such as that of a proxy in front of it. `any_address` admits
    every numeric address as a Host: that of a server which listens on all of them.
    """

    token: str = field(default_factory=lambda: secrets.token_urlsafe(24))
    names: Sequence[str] = ()
    any_address: bool = False
    password: str | None = None
    resolve: Callable[[str], Any] = lambda session: None
    open_paths: Sequence[str] = ()
    most_bytes: int = MOST_BYTES

    def __post_init__(self) -> None:
        self._owner = secrets.token_urlsafe(32)  # the owner's session

    def url(self, base: str, path: str = "/") -> str:
        """Return the URL that lets the owner in and shows the page at `path`."""
        return f"{base}{path}?token={self.token}"

    def visitor(self, session: str) -> Visitor:
        """Return the visitor whose cookie holds `session`."""
        if not session:
            return Visitor()
        if _same(session, self._owner):
            return Visitor(owner=True, session=session)
        person = self.resolve(session)
        return Visitor() if person is None else Visitor(person=person, session=session)

    def admit(self, request: Request, response: Response, session: str) -> None:
        """Give the browser the cookie of a session that `resolve` knows."""
        response.set_cookie(
            cookie_name(request.scope),
            session,
            max_age=YEAR,
            httponly=True,
            samesite="strict",
            secure=request.headers.get("x-forwarded-proto") == "https",
        )

    def admit_owner(self, request: Request, response: Response) -> None:
        """Give the browser the cookie of the owner of the process."""
        self.admit(request, response, self._owner)

    def has_token(self, query: str) -> bool:
        """Tell whether a query string holds the token."""
        return any(_same(given, self.token) for given in parse_qs(query).get("token", ()))

    def has_password(self, given: str) -> bool:
        return self.password is not None and _same(given, self.password)

    def is_host(self, host: str) -> bool:
        """Tell whether `host`, a request's Host without a port, is one of this server."""
        name = host.lower()
        if name in LOOPBACK or name in {one.lower() for one in self.names}:
            return True
        return self.any_address and _is_address(name.strip("[]"))

    def is_open(self, path: str) -> bool:
        return any(
            path == one or path.startswith(one + "/")
            for one in ("/static", "/enter", "/language", *self.open_paths)
        )


def visitor(request: Request) -> Visitor:
    """Return whoever made a request."""
    return request.state.visitor


def cookie_name(scope: Scope) -> str:
    """Return the cookie's name: browsers share cookies between the ports of a host, so the port is in it."""
    host = Headers(scope=scope).get("host", "")
    return f"truing-{urlsplit('//' + host).port or 0}"


class Guarded:
    """The middleware that applies a guard to each request before any route sees it.

    `answer` makes the response to a request that gets no further.
    """

    def __init__(self, app: ASGIApp, guard: PageGuard, answer: Callable[[Request, Turned], Response]) -> None:
        self.app, self.guard, self.answer = app, guard, answer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
            return
        if scope["type"] != "http":  # no page opens a websocket
            await send({"type": "websocket.close", "code": 1008})
            return
        request = Request(scope)
        bounded = _Bounded(receive, self.guard.most_bytes)

        async def secured(sent: Message) -> None:
            if sent["type"] == "http.response.start":
                headers = MutableHeaders(scope=sent)
                for name, value in HEADERS.items():
                    headers[name] = value
                headers.setdefault("cache-control", "no-store")
            await send(sent)

        if (turned := self._turned(request)) is None:
            try:
                await self.app(scope, bounded, secured)
                return
            except _TooLargeError:
                turned = Turned.SIZE
        await self.answer(request, turned)(scope, receive, secured)

    def _turned(self, request: Request) -> Turned | None:
        """Set the visitor of a request, and return why the request gets no further; None where it may."""
        guard, state = self.guard, request.state
        state.visitor = Visitor()
        hosts = request.headers.getlist("host")
        if len(hosts) != 1 or (name := _name(hosts[0])) is None or not guard.is_host(name):
            return Turned.HOST
        state.visitor = guard.visitor(_cookie(request.scope))
        if request.method not in SAFE:
            if not _from_here(request):
                return Turned.ORIGIN
            if not _same(request.headers.get(CSRF, ""), state.visitor.csrf):
                return Turned.CSRF
        length = request.headers.get("content-length", "0")
        if not length.isdecimal() or int(length) > guard.most_bytes:
            return Turned.SIZE
        if request.method == "GET" and guard.has_token(request.scope["query_string"].decode("latin-1")):
            return Turned.ENTERED
        known = state.visitor.known or guard.is_open(request.scope["path"])
        return None if known else Turned.UNKNOWN


def _from_here(request: Request) -> bool:
    """Tell whether a page of this very server sent the request."""
    origin = urlsplit(request.headers.get("origin", ""))
    site = request.headers.get("sec-fetch-site", "same-origin")
    return (
        origin.scheme in ("http", "https")
        and origin.netloc == request.headers["host"]
        and site == "same-origin"
    )


class _TooLargeError(Exception):
    """More bytes arrive than a body may have."""


class _Bounded:
    """The receiving end of a request, which ends one that sends more than `most` bytes."""

    def __init__(self, receive: Receive, most: int) -> None:
        self.receive, self.left = receive, most

    async def __call__(self) -> Message:
        got = await self.receive()
        self.left -= len(got.get("body", b""))
        if self.left < 0:
            raise _TooLargeError
        return got


def _cookie(scope: Scope) -> str:
    jar: SimpleCookie = SimpleCookie()
    try:
        jar.load(Headers(scope=scope).get("cookie", ""))
    except CookieError:
        return ""
    found = jar.get(cookie_name(scope))
    return found.value if found else ""


def _name(host: str) -> str | None:
    """Return a Host without its port, None for one that is malformed."""
    try:
        parts = urlsplit("//" + host)
        parts.port  # noqa: B018 - raises for a port that is no number
    except ValueError:
        return None
    if parts.netloc != host or parts.hostname is None or parts.username is not None or parts.path:
        return None
    return f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def _same(one: str, other: str) -> bool:
    """Compare two secrets in a time that does not tell how much of them agrees."""
    return hmac.compare_digest(one.encode("utf-8", "replace"), other.encode())
