"""Fixtures of pages that a server makes: an app on a free port, and a browser that is watched.

    def test_it(served, watched):
        site = served(make_app("Runs", [part], PageGuard()))
        page = watched(site.entry).page

A test fails at its end for any error in the console, any dialog and any request to elsewhere. A test that
provokes one takes it out of `watched(…).complaints`.
"""

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import httpx2 as httpx
import pytest
from fastapi import FastAPI

from truing.web.guard import CSRF, Visitor
from truing.web.serve import base_url, listen, server_of


@dataclass
class Site:
    """An app that is being served on a port of this machine."""

    app: FastAPI
    url: str
    client: httpx.Client  # let in as the owner, with what a page sends beside a request

    @property
    def entry(self) -> str:
        """The URL that the terminal prints."""
        return self.app.state.guard.url(self.url)


@dataclass
class Watched:
    """A page of a browser, and what it did that it should not."""

    page: Any
    complaints: list[str] = field(default_factory=list)

    def violations(self) -> list[str]:
        """The rules of axe-core that the page breaks, with the elements that break them."""
        from axe_playwright_python.sync_playwright import Axe

        found = Axe().run(self.page).response["violations"]
        return [f"{one['id']}: {[node['html'] for node in one['nodes']]}" for one in found]


@pytest.fixture
def served() -> Iterator[Callable[[FastAPI], Site]]:
    """Serves apps until the test ends."""
    ends: list[Callable[[], None]] = []

    def serve(app: FastAPI) -> Site:
        sock = listen("127.0.0.1", 0)
        server = server_of(app)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [sock]}, daemon=True)
        thread.start()
        while not server.started and thread.is_alive():
            time.sleep(0.005)
        url = base_url(sock)
        client = httpx.Client(base_url=url, timeout=30)
        client.get(app.state.guard.url(""))
        (session,) = client.cookies.values()
        client.headers.update({"origin": url, CSRF: Visitor(session=session).csrf})

        def end() -> None:
            client.close()
            server.end()
            thread.join(10)
            assert not thread.is_alive(), "the server did not end"

        ends.append(end)
        return Site(app, url, client)

    yield serve
    for end in ends:
        end()


@pytest.fixture
def watched(browser: Any) -> Iterator[Callable[..., Watched]]:
    """Opens pages, each in a browser of its own, and fails the test for what one should not have done."""
    opened: list[tuple[Watched, Any]] = []

    def open_page(url: str, *, width: int = 1280, height: int = 900, **options: Any) -> Watched:
        context = browser.new_context(viewport={"width": width, "height": height}, **options)
        page = context.new_page()
        found = Watched(page)
        site = "/".join(url.split("/")[:3])
        page.on(
            "dialog", lambda dialog: (found.complaints.append(f"dialog: {dialog.message}"), dialog.dismiss())
        )
        page.on("pageerror", lambda error: found.complaints.append(f"error: {error}"))
        page.on(
            "console",
            lambda said: found.complaints.append(said.text) if said.type in ("error", "warning") else None,
        )
        page.on(
            "request",
            lambda asked: (
                None
                if asked.url.startswith((site, "data:", "blob:"))
                else found.complaints.append(f"request: {asked.url}")
            ),
        )
        page.goto(url)
        page.wait_for_url(lambda at: "token=" not in at)
        page.wait_for_load_state()
        opened.append((found, context))
        return found

    yield open_page
    for _, context in opened:
        context.close()
    assert [complaint for found, _ in opened for complaint in found.complaints] == []
