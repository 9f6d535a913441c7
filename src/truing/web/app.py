"""An app of pages: parts of it, a guard around them, the frame that they share, and its pages of errors.

    part = WebPart("truing.web.runs", runs_router(folders))
    app = make_app("Runs", [part], PageGuard())
    serve(app)

A part is a package with `templates/`, `static/` and a function that makes its routes. A route returns
`page(request, "runs/list.html.j2", …)`, JSON, or `events(request, …)`; the route "/" is the first page.
Errors for people are raised as everywhere else: a `TruingError` becomes a page, or JSON for a script.
"""

import asyncio
import json
import threading
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, urlencode

from fastapi import APIRouter, FastAPI, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response, StreamingResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from truing.core.errors import StorageError, TruingError
from truing.core.languages import LANGUAGES, Language
from truing.core.messages import message, told
from truing.core.words import speaking, spoken, t
from truing.web.guard import HEADERS, Guarded, PageGuard, Turned, visitor
from truing.web.pages import Pages

LANGUAGE = "truing-language"  # the cookie of a visitor's choice
NAMES = {"en": "English", "zh": "中文"}  # of languages, in themselves
WRONG_PASSWORD = 1.0  # seconds that a wrong password costs, one after the other


@dataclass(frozen=True)
class WebPart:
    """A part of an app: the package of its templates and static files, and its routes."""

    package: str
    router: APIRouter


def make_app(title: str, parts: Sequence[WebPart], guard: PageGuard, *, language: Language = "en") -> FastAPI:
    """Return the app of some parts behind `guard`. `title` heads each page, in English: it is translated."""
    app = FastAPI(title=title, docs_url=None, redoc_url=None, openapi_url=None)
    app.state.pages = Pages([part.package for part in parts])
    app.state.guard = guard
    app.state.ending = threading.Event()  # set when the server ends: streams end with it
    app.include_router(_frame_router())
    for part in parts:
        app.include_router(part.router)
    app.add_exception_handler(TruingError, _told_error)
    app.add_exception_handler(HTTPException, _http_error)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(Exception, _our_bug)
    app.add_middleware(Guarded, guard=guard, answer=_turned)
    app.add_middleware(_Spoken, language=language, owner=app)
    return app


def page(request: Request, template: str, /, status: int = 200, **values: Any) -> HTMLResponse:
    """Render a template of a part in the frame, in the language of the visitor."""
    pages: Pages = request.app.state.pages
    who = visitor(request)
    frame = {
        "app_title": request.app.title,
        "csrf": who.csrf,
        "visitor": who,
        "other_languages": [(code, NAMES[code]) for code in LANGUAGES if code != spoken()],
        "here": _here(request),
    }
    return HTMLResponse(pages.render(template, {**frame, **values}), status)


def events(request: Request, made: AsyncIterator[tuple[str, Any]]) -> StreamingResponse:
    """Send the events that `made` yields, (name, content as JSON), until the browser or the server ends.

    `made` yields ("", None) where it has nothing to say for a while, at least every few seconds.
    """

    async def lines() -> AsyncIterator[str]:
        async for name, content in made:
            if request.app.state.ending.is_set() or await request.is_disconnected():
                return
            yield f"event: {name}\ndata: {json.dumps(content)}\n\n" if name else ": nothing new\n\n"

    headers = {"cache-control": "no-store", "x-accel-buffering": "no"}
    return StreamingResponse(lines(), media_type="text/event-stream", headers=headers)


async def changes(read: Callable[[], Any], every: float) -> AsyncIterator[tuple[str, Any]]:
    """Yield what `read` returns at first and whenever it has changed, as events named `changed`."""
    before: Any = None
    while True:
        if (now := await run_in_threadpool(read)) != before:
            before = now
            yield "changed", now
        yield "", None
        await asyncio.sleep(every)


class _Spoken:
    """The middleware that makes a request's sentences in the visitor's language, else that of the server."""

    def __init__(self, app: ASGIApp, language: Language, owner: FastAPI) -> None:
        self.app, self.owner = app, owner
        self.language: Language = language

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        scope["app"] = self.owner  # for refusals, which come before FastAPI sets it
        asked = Request(scope).cookies.get(LANGUAGE)
        known: dict[str | None, Language] = {one: one for one in LANGUAGES}
        with speaking(known.get(asked, self.language)):
            await self.app(scope, receive, send)


def _frame_router() -> APIRouter:
    """Make the routes of every app: static files, the way in, the choice of a language."""
    router = APIRouter()
    slow = asyncio.Lock()

    @router.get("/static/{name:path}")
    async def static(request: Request, name: str) -> Response:
        file = request.app.state.pages.static.get(name)
        if file is None:
            raise HTTPException(404)
        headers = {"etag": file.tag, "cache-control": "no-cache"}
        if request.headers.get("if-none-match") == file.tag:
            return Response(status_code=304, headers=headers)
        return Response(file.content, media_type=file.kind, headers=headers)

    @router.post("/enter")
    async def enter(request: Request) -> Response:
        guard: PageGuard = request.app.state.guard
        given = (await body_of(request)).get("password")
        async with slow:
            if not isinstance(given, str) or not guard.has_password(given):
                await asyncio.sleep(WRONG_PASSWORD)
                raise HTTPException(403, t("This is not the password."))
        response = JSONResponse({})
        guard.admit_owner(request, response)
        return response

    @router.get("/language/{code}")
    async def choose(code: str, to: str = "/") -> Response:
        if code not in LANGUAGES:
            raise HTTPException(404)
        own = to.startswith("/") and not to.startswith("//") and "\\" not in to
        response = RedirectResponse(to if own else "/", 303)
        response.set_cookie(LANGUAGE, code, max_age=31_536_000, httponly=True, samesite="strict")
        return response

    return router


async def body_of(request: Request) -> dict[str, Any]:
    """Return the JSON object that a request carries. Raises HTTPException 400 for anything else."""
    try:
        found = json.loads(await request.body())
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise HTTPException(400, t("The request holds no JSON object."))
    return found


def _here(request: Request) -> str:
    """Return the path and the query of a request, without the token."""
    query = parse_qsl(request.scope["query_string"].decode("latin-1"))
    kept = urlencode([(name, value) for name, value in query if name != "token"])
    return request.scope["path"] + (f"?{kept}" if kept else "")


# Refusals and errors


def _turned(request: Request, why: Turned) -> Response:
    """Answer a request that the guard lets no further."""
    guard: PageGuard = request.app.state.guard
    if why is Turned.ENTERED:
        # A page and not a redirect: a browser that followed a link from elsewhere, such as a mail, holds
        # the new cookie back from a redirect and sends it with what this page opens.
        response = page(request, "entered.html.j2", to=_here(request))
        guard.admit_owner(request, response)
        return response
    if why is Turned.UNKNOWN and request.method == "GET" and _is_page(request):
        return page(request, "enter.html.j2", 403, asks=guard.password is not None)
    reasons = {
        Turned.HOST: t("This server does not answer to that name."),
        Turned.ORIGIN: t("The request comes from another page."),
        Turned.CSRF: t("The page is from another session: load it again."),
        Turned.SIZE: t("The request is larger than {n:,} bytes.", n=guard.most_bytes),
        Turned.UNKNOWN: t("Open the link that the terminal printed, or the one that you were sent."),
    }
    return _error(request, 413 if why is Turned.SIZE else 403, reasons[why])


def _is_page(request: Request) -> bool:
    return "text/html" in request.headers.get("accept", "")


def _error(request: Request, status: int, said: str, hint: str = "") -> Response:
    if not _is_page(request):
        return JSONResponse({"error": said, "hint": hint}, status)
    return page(request, "error.html.j2", status, said=said, hint=hint)


async def _told_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, TruingError)
    status = 500 if isinstance(error, StorageError) else 400
    return _error(request, status, told(error.message, spoken()), told(error.hint, spoken()))


async def _http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    plain = {404: t("There is no such page."), 405: t("This cannot be done here.")}
    return _error(request, error.status_code, plain.get(error.status_code, error.detail))


async def _invalid(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    wrong = ", ".join(".".join(map(str, one["loc"][1:])) for one in error.errors())
    return _error(request, 400, told(message("The request has no use: {fields}.", fields=wrong), spoken()))


async def _our_bug(request: Request, error: Exception) -> Response:
    response = _error(request, 500, t("Something went wrong here; the terminal says more."))
    response.headers.update(HEADERS)  # made outside of the guard
    return response
