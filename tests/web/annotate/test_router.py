"""The routes of voters: joining once, votes that arrive twice, items of others."""

import pytest
from sqlalchemy import event
from sqlalchemy.engine import Engine

from truing.store.answers import PairAnswer
from truing.store.people import PersonRole

from .projects import app_of, ballot, item, lesson, pairs, press, take, visit, wait_saved


@pytest.fixture
def site(project, served):
    def serve(items, **settings):
        store = project(items, **settings)
        return served(app_of(store)), store

    return serve


def test_an_invitation_works_once_and_its_session_lasts(site, watched):
    served_, store = site(pairs(2))
    (token,) = store.invite()
    seen = watched(f"{served_.url}/join/{token}")
    assert seen.violations() == []
    seen.page.locator('a[href*="/language/zh"]').first.click()  # before anybody knows who it is
    seen.page.wait_for_selector('html[lang^="zh"]')
    seen.page.locator('a[href*="/language/en"]').first.click()
    seen.page.wait_for_selector('html[lang="en"]')
    seen.page.fill("#name", "Ada")
    seen.page.click("button")
    seen.page.wait_for_url(f"{served_.url}/")
    seen.page.wait_for_selector("#task:not([hidden])")
    assert [person.name for person in store.people()] == ["Ada"]
    late = watched(f"{served_.url}/join/{token}")
    late.page.fill("#name", "Eve")
    late.page.click("button")
    late.page.wait_for_selector("#wrong:not(:empty)")
    assert "used" in late.page.text_content("#wrong")
    assert [person.name for person in store.people()] == ["Ada"]
    late.complaints.clear()  # the browser says that a request was refused


def test_who_was_signed_out_comes_back_as_the_same_person_and_loses_nothing(site, watched):
    served_, store = site(pairs(6))
    (token,) = store.invite()
    seen = watched(f"{served_.url}/join/{token}")
    page = seen.page
    page.fill("#name", "Ada")
    page.click("button")
    press(page, "1")
    wait_saved(page)
    page.context.clear_cookies()
    page.keyboard.press("2")
    page.wait_for_selector("#away:not([hidden])")
    assert "ask for a link back" in page.text_content("#away")
    page.goto(f"{served_.url}/join/{store.way_back('Ada')}")
    assert seen.violations() == []
    page.click("button")
    page.wait_for_selector("#task:not([hidden])")
    wait_saved(page)
    assert len(list(store.standing_votes())) == 2
    assert len(store.people()) == 1
    seen.complaints.clear()  # the browser says that a request was refused


def test_a_visitor_without_an_invitation_sees_nothing(site):
    served_, store = site(pairs(2))
    with visit(served_, store, "Ada") as client:
        client.cookies.clear()
        for path in ("/", "/project", "/disagreements", "/project/events"):
            assert client.get(path).status_code == 403
        assert client.post("/next", json={"count": 1}).status_code == 403


def test_the_owner_votes_as_the_first_admin(site):
    served_, store = site(pairs(2))
    assert (
        served_.client.get("/", follow_redirects=True).status_code == 200
    )  # after a redirect with a session that is stored
    (person,) = store.people()
    assert person.role is PersonRole.ADMIN


def test_a_vote_that_arrives_twice_is_one_vote(site):
    served_, store = site(pairs(2))
    with visit(served_, store, "Ada") as client:
        (shown,) = take(client)
        first, again = (client.post("/votes", json=ballot(shown, "k", kind="pair", side=0)) for _ in range(2))
        assert (first.json()["new"], again.json()["new"]) == (True, False)
        assert first.json()["id"] == again.json()["id"]
        client.post("/undo", json={"client_key": "u", "vote": "k"})
        client.post("/undo", json={"client_key": "u", "vote": "k"})
    assert [vote.act for vote in store.history()] == ["vote", "undo"]


def test_an_undo_takes_back_the_vote_that_it_names_and_tells_the_one_before(site):
    served_, store = site(pairs(4))
    with visit(served_, store, "Ada") as ada, visit(served_, store, "Bo") as bo:
        for place, shown in enumerate(take(ada, 3)):
            ada.post("/votes", json=ballot(shown, f"k{place}", kind="pair", side=0))
        found = ada.post("/undo", json={"client_key": "u1", "vote": "k1"}).json()
        assert (found["item"]["item"], found["before"]) == (list(store.history())[1].item, "k0")
        again = ada.post("/undo", json={"client_key": "u2", "vote": "k1"}).json()
        assert again == {"item": None, "before": "k0"}
        assert bo.post("/undo", json={"client_key": "u3", "vote": "k0"}).json()["item"] is None
        assert ada.post("/undo", json={"client_key": "u4"}).status_code == 400
    assert [vote.id for vote in store.standing_votes()] == [1, 3]


def test_nobody_votes_on_an_item_of_another_person_or_project(site):
    served_, store = site(pairs(2), overlap=1)
    with visit(served_, store, "Ada") as ada, visit(served_, store, "Bo") as bo:
        (shown,) = take(ada)
        assert bo.post("/votes", json=ballot(shown, "k", kind="pair", side=0)).status_code == 409
        other = {**shown, "key": "of another project"}
        assert ada.post("/votes", json=ballot(other, "k", kind="pair", side=0)).status_code == 409
        assert ada.post("/votes", json=ballot(shown, "k", kind="safety", labels=["safe"])).status_code == 400
        assert ada.post("/votes", json=ballot(shown, "k", kind="pair", side=7)).status_code == 400
    assert list(store.history()) == []


def test_two_people_have_orders_of_their_own(site):
    served_, store = site(pairs(12), overlap=2)
    with visit(served_, store, "Ada") as ada, visit(served_, store, "Bo") as bo:
        seen = [{one["item"]: one["responses"][0]["text"] for one in take(who, 10)} for who in (ada, bo)]
    assert seen[0].keys() & seen[1].keys()
    assert any(seen[0][number] != seen[1].get(number, seen[0][number]) for number in seen[0])


def test_a_training_item_tells_its_answer_after_the_vote(site):
    served_, store = site([lesson(), *pairs(1)])
    with visit(served_, store, "Ada") as client:
        (shown,) = take(client)
        assert shown["training"] and "gold" not in shown
        right = [one["text"] for one in shown["responses"]].index("Rye bread")
        told = client.post("/votes", json=ballot(shown, "k", kind="pair", side=right)).json()["known"]
        assert told["right"] is True and told["why"] == "It names the bread."
        again = client.post("/votes", json=ballot(shown, "l", kind="pair", side=1 - right)).json()["known"]
        assert again["right"] is False
        (real,) = take(client)
        saved = client.post("/votes", json=ballot(real, "m", kind="pair", side="tie")).json()
        assert "known" not in saved
    (vote,) = [one for one in store.standing_votes() if one.item == real["item"]]
    assert vote.answer == PairAnswer("tie")


def test_a_text_for_editing_keeps_its_marks_of_direction(site):
    served_, store = site([item("q", "a\u200eb", kind="edit")])
    with visit(served_, store, "Ada") as client:
        ((response,),) = (one["responses"] for one in take(client))
    assert response["text"] == "a⟨U+200E⟩b" and response["source"] == "a\u200eb"


def test_the_routes_of_a_vote_take_few_statements(site):
    served_, store = site(pairs(8))
    said = []
    count = lambda *given: said.append(given[2])  # noqa: E731
    with visit(served_, store, "Ada") as client:
        first, *rest = take(client, 4)
        sent = ballot(first, "one", kind="pair", side=0)
        event.listen(Engine, "before_cursor_execute", count)
        try:
            assert client.post("/votes", json=sent).json()["new"]
            assert len(take(client, 1, tuple(shown["item"] for shown in rest))) == 1
        finally:
            event.remove(Engine, "before_cursor_execute", count)
    assert len(said) <= 17, said
