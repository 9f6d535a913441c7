"""The arena in a real browser: two tiny models write, a person votes, the store and the standings follow."""

import asyncio
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from truing.core.errors import ModelError
from truing.core.records import Turns
from truing.sampling.streaming import SpokenText, Streamer, TakePiece
from truing.sampling.types import Finish, Sampling
from truing.store.project import ProjectStore, open_store
from truing.web.annotate.router import join_router
from truing.web.app import WebPart, make_app
from truing.web.arena.contest import Contest
from truing.web.arena.models import open_models
from truing.web.arena.router import arena_router
from truing.web.guard import PageGuard

from ..annotate.projects import HOSTILE

PHONE = {"width": 390, "height": 780}


class Says:
    """A model that says a text at once; with an error it fails after that, and else it waits to be let go."""

    def __init__(self, text: str, error: ModelError | None = None, gate: asyncio.Event | None = None) -> None:
        self.text, self.error, self.gate = text, error, gate

    async def speak(self, turns: Turns, sampling: Sampling, take: TakePiece) -> SpokenText:
        take(self.text)
        if self.error:
            raise self.error
        if self.gate:
            await self.gate.wait()
        return SpokenText(self.text, Finish.STOP)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[ProjectStore]:
    with open_store(tmp_path / "project.db") as opened:
        yield opened


@pytest.fixture
def arena(served, store: ProjectStore) -> Callable[..., Any]:
    """Serves the arena of some models."""

    def serve(models: dict[str, Streamer], *, language: Any = "en", tokens: int = 60, **how: Any) -> Any:
        sampling = Sampling(max_new_tokens=tokens, temperature=1.0, logprobs=False)
        contest = Contest(models, sampling, **how)
        own = WebPart("truing.web.arena", arena_router(contest, store))
        joining = WebPart("truing.web.annotate", join_router(store))
        guard = PageGuard(resolve=store.signed_in, open_paths=("/join",))
        site = served(make_app("Arena", [own, joining], guard, language=language))
        site.contest = contest
        return site

    return serve


def ask(page: Any, text: str = "How do I bake bread?") -> None:
    page.fill("#question", text)
    page.press("#question", "Enter")


def until(page: Any, state: str, count: int = 1) -> None:
    page.wait_for_function(
        "([state, count]) => document.querySelectorAll(`.round[data-state=${state}]`).length >= count",
        arg=[state, count],
    )


def sides(page: Any) -> list[str]:
    """The texts of the newest round as they stand on the screen."""
    return page.locator(".round").last.locator(".side .text").all_inner_texts()


def test_a_blind_chat_is_streamed_and_a_vote_by_key_is_stored_with_its_drawn_sides(
    arena, watched, store: ProjectStore, model_folder: Path, moved_folder: Path
):
    one, other = str(model_folder), str(moved_folder)
    site = arena(open_models([one, other], 1e9), tokens=120)
    found = watched(site.entry)
    page = found.page
    page.evaluate(
        """() => { window.grown = [];
        new MutationObserver(() => {
          const state = document.querySelector(".round")?.dataset.state;
          const texts = [...document.querySelectorAll(".side .text")].map((at) => at.textContent.length);
          window.grown.push([state, ...texts]);
        }).observe(document.getElementById("rounds"), { childList: true, subtree: true }); }"""
    )
    ask(page)
    until(page, "ready")
    grown = [texts for state, *texts in page.evaluate("window.grown") if state == "writing"]
    assert len({tuple(texts) for texts in grown}) > 8, "text came while it was written"
    assert any(left > 0 and right > 0 for left, right in grown), "both sides at once"
    assert page.locator(".model").count() == 0, "names wait for the vote"
    assert one not in page.locator("#rounds").inner_html()
    assert found.violations() == []
    page.keyboard.press("2")
    until(page, "judged")
    left, right = page.locator(".model").all_inner_texts()
    assert {left, right} == {one, other}
    [vote], [item] = list(store.standing_votes()), list(store.items())
    assert [each.model for each in item.responses] == [one, other]
    assert [item.responses[place].model for place in vote.order] == [left, right]
    assert vote.answer.choice == ("second" if right == other else "first")
    assert [turn.content for turn in item.prompt] == ["How do I bake bread?"]
    meta = item.responses[0].meta
    assert (meta["temperature"], meta["max_new_tokens"]) == (1.0, 120) and meta["finish"] in (
        "stop",
        "length",
    )
    page.wait_for_selector("#standings svg")
    assert page.locator("#standings tbody tr").first.locator("th").inner_text() == right
    assert found.violations() == []
    ask(page, "And 面包?")
    until(page, "ready")
    assert len(site.contest.talks[page.url.rpartition("/")[2]].newest.prompt) == 3


def test_a_reload_in_the_middle_goes_on_and_stop_keeps_the_text(arena, watched, store: ProjectStore):
    gate = asyncio.Event()
    page = watched(arena({"a": Says("from a", gate=gate), "b": Says("from b", gate=gate)}).entry).page
    ask(page)
    until(page, "writing")
    page.reload()
    until(page, "writing")
    assert sorted(sides(page)) == ["from a", "from b"]
    assert page.locator("#question").is_disabled()
    page.keyboard.press("Escape")
    until(page, "ready")
    assert sorted(sides(page)) == ["from a", "from b"]
    page.get_by_role("button", name="Tie").click()
    until(page, "judged")
    [item] = store.items()
    assert {each.meta["finish"] for each in item.responses} == {"stopped"}
    page.reload()
    until(page, "judged")
    assert "tie" in page.locator(".verdict").inner_text()


def test_one_side_fails_and_the_other_is_shown(arena, watched, store: ProjectStore):
    error = ModelError("no room", hint="give more")
    page = watched(arena({"good": Says("fine"), "broken": Says("half", error)}).entry).page
    ask(page)
    until(page, "failed")
    assert sorted(sides(page)) == ["fine", "half"]
    assert page.locator(".side .alarm").inner_text().split("\n\n")[1:] == ["no room", "give more"]
    assert page.locator("#vote").is_hidden() and list(store.items()) == []
    ask(page, "Again?")
    until(page, "failed", 2)


def test_hostile_text_is_text_while_it_comes_and_afterwards(arena, watched, store: ProjectStore):
    gate, text = asyncio.Event(), "\n".join(HOSTILE)
    found = watched(arena({"<b>a</b>": Says(text, gate=gate), "b": Says(text)}, blind=False).entry)
    page = found.page
    ask(page, "\n".join(HOSTILE[:-1]))
    until(page, "writing")
    page.keyboard.press("Escape")
    until(page, "ready")
    for raw in (False, True):
        if raw:
            page.keyboard.press("r")
        assert page.locator("#rounds :is(script, img, svg, style, iframe, math)").count() == 0
        assert page.locator("#rounds a[href^=javascript]").count() == 0
        for shown in [*sides(page), page.locator(".question").inner_text()]:
            assert "<script>alert(1)</script>" in shown and "⟨U+202E⟩" in shown and "\x1b" not in shown
            assert len(shown) < 25_000, "a line of a megabyte is cut off"
    assert "<b>a</b>" in page.locator(".model").all_inner_texts()
    assert found.violations() == []
    page.keyboard.press("1")
    until(page, "judged")
    [item] = store.items()
    assert {each.text for each in item.responses} == {text}, "what is stored is whole"


def test_a_phone_shows_sides_as_cards_with_buttons_and_speaks_chinese(arena, watched, store: ProjectStore):
    site = arena({"甲": Says("**你好**，世界"), "乙": Says("再见")}, language="zh")
    found = watched(site.entry, **PHONE, has_touch=True)
    page = found.page
    ask(page, "问候我")
    until(page, "ready")
    rectangles = (
        "() => [...document.querySelectorAll('.side')].map((at) => at.getBoundingClientRect().toJSON())"
    )
    upper, lower = page.evaluate(rectangles)
    assert upper["bottom"] <= lower["top"], "one below the other"
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
    assert page.locator(".side strong").inner_text() == "你好"
    assert page.locator(".side .text").first.get_attribute("lang") == "zh"
    assert found.violations() == []
    page.get_by_role("button", name="都差").tap()
    until(page, "judged")
    assert [vote.answer.choice for vote in store.standing_votes()] == ["both_bad"]
    page.wait_for_function("() => document.querySelector('#standings caption')?.textContent.includes('1 票')")


def test_requests_that_do_not_fit_are_refused(arena, store: ProjectStore):
    site = arena({"a": Says("x"), "b": Says("y")})
    client = site.client
    assert client.get("/talks/none").status_code == client.get("/talks/none/events").status_code == 404
    assert client.post("/ask", json={"text": " "}).status_code == 400
    talk = client.post("/ask", json={"text": "q"}).json()["talk"]
    told = {"number": 0, "key": "k", "outcome": "left"}
    until = time.monotonic() + 30
    while client.post("/talks/" + talk + "/vote", json=told).status_code == 400:  # until both have ended
        assert time.monotonic() < until
        time.sleep(0.01)
    assert client.post(f"/talks/{talk}/vote", json=told | {"outcome": "right"}).json() == {"new": False}
    assert client.post(f"/talks/{talk}/vote", json=told | {"number": 9}).status_code == 404
    assert client.post(f"/talks/{talk}/vote", json=told | {"outcome": "best"}).status_code == 400
    assert len(list(store.history())) == 1


def test_whoever_is_invited_votes_as_themselves_and_sees_no_talk_of_others(
    arena, watched, store: ProjectStore
):
    site = arena({"a": Says("x"), "b": Says("y")})
    talk = site.client.post("/ask", json={"text": "mine"}).json()["talk"]
    seen = watched(f"{site.url}/join/{store.invite()[0]}")
    page = seen.page
    page.fill("#name", "Ada")
    page.press("#name", "Enter")
    page.wait_for_selector("#question")
    page.wait_for_load_state()
    ask(page)
    until(page, "ready")
    page.keyboard.press("1")
    until(page, "judged")
    names = {person.id: person.name for person in store.people()}
    assert [names[vote.person] for vote in store.standing_votes()] == ["Ada"]
    assert page.goto(f"{site.url}/talks/{talk}").status == 404
    seen.complaints.clear()  # the browser says that the page is not there
