"""The frame of pages: words, languages, errors, and a browser that finds nothing to complain of."""

import asyncio
import json

import pytest
from fastapi import APIRouter, Request

from truing.core.errors import StorageError, UsageError
from truing.core.messages import message
from truing.web.app import WebPart, events, make_app, page
from truing.web.guard import PageGuard

HOSTILE = "</script><script>alert(1)</script><img src=x onerror=alert(2)>\u202egnp.exe"


def routes() -> APIRouter:
    router = APIRouter()

    @router.get("/")
    async def first(request: Request):
        return page(request, "error.html.j2", said=HOSTILE, hint="")

    @router.get("/usage")
    async def usage():
        raise UsageError(message("{path} does not exist", path=HOSTILE), hint="look")

    @router.get("/disk")
    async def disk():
        raise StorageError("full")

    @router.get("/bug")
    async def bug():
        raise RuntimeError("secret")

    @router.get("/count")
    async def count(request: Request, to: int = 3):
        async def counted():
            for n in range(to):
                yield "n", {"n": n, "text": "a\nb"}
                yield "", None
                await asyncio.sleep(0.01)

        return events(request, counted())

    return router


@pytest.fixture
def site(served):
    return served(make_app("Runs", [WebPart("truing.web", routes())], PageGuard()))


def test_errors_are_pages_for_people_and_json_for_scripts(site):
    html = {"accept": "text/html"}
    assert site.client.get("/usage").json() == {"error": f"{HOSTILE} does not exist", "hint": "look"}
    shown = site.client.get("/usage", headers=html)
    assert shown.status_code == 400 and "<img" not in shown.text and "⟨U+202E⟩" in shown.text
    assert site.client.get("/disk").status_code == 500
    assert site.client.get("/none", headers=html).status_code == 404
    broken = site.client.get("/bug", headers=html)
    assert broken.status_code == 500 and "secret" not in broken.text
    assert "default-src 'self'" in broken.headers["content-security-policy"]


def test_a_visitor_chooses_the_language(site):
    html = {"accept": "text/html"}
    assert '<html lang="en"' in site.client.get("/none", headers=html).text
    assert site.client.get("/language/zh?to=/none").headers["location"] == "/none"
    shown = site.client.get("/none", headers=html).text
    assert '<html lang="zh"' in shown and "没有这个页面" in shown
    assert site.client.get("/usage").json()["error"] == f"{HOSTILE} 不存在"
    for elsewhere in ("//evil.example", "https://evil.example", "/\\evil.example"):
        assert site.client.get("/language/zh", params={"to": elsewhere}).headers["location"] == "/"
    assert site.client.get("/language/xx").status_code == 404


def test_events_are_sent_as_they_come_and_end_with_the_server(site):
    with site.client.stream("GET", "/count?to=3") as got:
        lines = [line for line in got.iter_lines() if line.startswith("data")]
    assert [json.loads(line[6:])["n"] for line in lines] == [0, 1, 2]
    with site.client.stream("GET", "/count?to=1000000") as got:
        told = got.iter_lines()
        next(told)
        site.app.state.ending.set()
        assert len(list(told)) < 1000


@pytest.mark.parametrize("width", [390, 1280])
@pytest.mark.parametrize("language", ["en", "zh"])
def test_in_a_browser_the_frame_is_silent_and_sound(site, watched, width, language):
    found = watched(site.entry, width=width)
    found.page.goto(f"{site.url}/language/{language}?to=/")
    assert found.page.locator("h1").inner_text() == HOSTILE.replace("\u202e", "⟨U+202E⟩")
    assert found.page.evaluate("document.documentElement.lang") == language
    assert found.page.evaluate("document.documentElement.scrollWidth") <= width
    assert found.violations() == []
    assert "token" not in found.page.url and "token" not in found.page.evaluate(
        "JSON.stringify(history.state)"
    )


def test_a_stranger_is_asked_for_the_password(served, watched):
    site = served(make_app("Runs", [WebPart("truing.web", routes())], PageGuard(password="correct horse")))
    found = watched(site.url)
    assert found.complaints.pop().startswith("Failed to load resource"), "403"
    assert found.violations() == []
    found.page.get_by_label("Password").fill("correct horse")
    found.page.keyboard.press("Enter")
    found.page.get_by_role("heading", name="onerror").wait_for()
