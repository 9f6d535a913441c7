"""The page of an admin: numbers that follow the votes, invitations, items, and what others may not."""

import json

from truing.cli.annotating import vote_numbers
from truing.store.people import PersonRole

from .projects import app_of, ballot, pairs, session, take, visit


def test_numbers_follow_the_votes(project, served, watched):
    store = project(pairs(6), overlap=2)
    vote_numbers(store)  # its imports take a while
    site = served(app_of(store, vote_numbers))
    seen = watched(f"{site.url}/project", **session(site, store, "Cy", PersonRole.ADMIN))
    page = seen.page
    for name in ("Ada", "Bo"):
        with visit(site, store, name) as client:
            for place, shown in enumerate(take(client, 6)):
                side = "tie" if name == "Ada" or place % 2 else 0
                client.post("/votes", json=ballot(shown, f"{name}{place}", kind="pair", side=side))
    page.wait_for_function(
        "() => document.getElementById('numbers').innerText.includes('Ada')", timeout=20_000
    )
    told = page.inner_text("#numbers")
    assert "Krippendorff's alpha" in told and "model 0" in told
    assert page.locator(".whisker").count() >= 2
    assert seen.violations() == []
    page.goto(f"{site.url}/language/zh?to=/project")
    page.wait_for_selector("#numbers table")
    assert "投票" in page.inner_text("#numbers")


def test_an_admin_invites_and_adds_items_from_the_page(project, served, watched, tmp_path):
    store = project(pairs(1))
    site = served(app_of(store))
    seen = watched(f"{site.url}/project", **session(site, store, "Cy", PersonRole.ADMIN))
    page = seen.page
    page.select_option("#role", "adjudicator")
    page.fill("#count", "2")
    page.click("#invite button")
    page.wait_for_selector("#links input")
    links = [field.input_value() for field in page.locator("#links input").all()]
    assert len(links) == 2 and all(link.startswith(f"{site.url}/join/") for link in links)
    assert store.claim(links[0].rpartition("/")[2], "Di").role is PersonRole.ADJUDICATOR
    rows = tmp_path / "more.jsonl"
    rows.write_text(json.dumps({"prompt": "q", "chosen": "yes", "rejected": "no"}) + "\n", encoding="utf-8")
    page.set_input_files("#file", str(rows))
    page.click("#add button")
    page.wait_for_function("() => document.getElementById('added').textContent.startsWith('1 items')")
    assert len(list(store.items())) == 2
    rows.write_text("{", encoding="utf-8")
    page.set_input_files("#file", str(rows))
    page.click("#add button")
    page.wait_for_selector("#added.bad-text:not(:empty)")
    assert len(list(store.items())) == 2
    assert seen.violations() == []
    seen.complaints.clear()  # the browser says that a request was refused
