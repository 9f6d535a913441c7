"""Two people differ, and an adjudicator settles it by keyboard."""

from truing.store.answers import PairAnswer
from truing.store.people import PersonRole

from .projects import app_of, ballot, pairs, press, session, take, visit, wait_saved


def differing(project, served):
    store = project(pairs(3), overlap=2)
    site = served(app_of(store))
    for name, side in (("Ada", "tie"), ("Bo", "both_bad")):
        with visit(site, store, name) as client:
            for shown in take(client, 3):
                said = ballot(shown, f"{name}{shown['item']}", kind="pair", side=side)
                client.post("/votes", json={**said, "comment": f"{name} thinks so"})
    return site, store


def test_an_adjudicator_sees_who_said_what_and_settles_by_keyboard(project, served, watched):
    site, store = differing(project, served)
    assert len(store.disagreements()) == 3
    seen = watched(f"{site.url}/disagreements", **session(site, store, "Cy", PersonRole.ADJUDICATOR))
    page = seen.page
    page.wait_for_selector("#task:not([hidden])")
    told = page.inner_text("#votes")
    assert all(one in told for one in ("Ada Tie", "Bo Both bad", "Bo thinks so"))
    assert seen.violations() == []
    left = page.locator("#prompt .said").text_content()
    page.keyboard.press("s")
    page.wait_for_function("left => document.querySelector('#prompt .said').textContent !== left", arg=left)
    for key in "12":
        press(page, key)
    wait_saved(page)
    assert [vote.answer for vote in store.settling_votes()] == [PairAnswer("first"), PairAnswer("second")]
    assert len(store.disagreements()) == 1, "what was left for later is there still"


def test_an_annotator_settles_nothing(project, served):
    site, store = differing(project, served)
    with visit(site, store, "Eve") as client:
        assert client.post("/disagreements/next", json={"count": 1}).status_code == 403
        shown = {"item": 1, "key": "x", "look": 1}
        said = client.post("/disagreements/settle", json=ballot(shown, "k", kind="pair", side=0))
        assert said.status_code == 403
