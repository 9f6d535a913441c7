"""The voting page in a real browser: keys, what becomes of them, and what a dropped link does to them."""

from typing import Any

import pytest

from truing.store.answers import (
    EditAnswer,
    PairAnswer,
    RankingAnswer,
    RatingsAnswer,
    SafetyAnswer,
    SkipAnswer,
)

from .projects import HOSTILE, app_of, item, lesson, pairs, press, session, wait_for_another, wait_saved

CHOICES = {"t": "tie", "x": "both_bad"}


def expected(key: str, order: tuple[int, ...]) -> str:
    return CHOICES[key] if key in CHOICES else "first" if order[int(key) - 1] == 0 else "second"


@pytest.mark.parametrize("language", ["en", "zh"])
def test_thirty_pairs_are_answered_by_keyboard(project, served, watched, language):
    store = project(pairs(30))
    site = served(app_of(store))
    page = watched(f"{site.url}/language/{language}", **session(site, store, "Ada")).page
    keys = [*"12tx12", *"12" * 12]
    for key in keys:
        press(page, key)
    wait_saved(page)
    votes = list(store.standing_votes())
    assert [vote.answer for vote in votes] == [
        PairAnswer(expected(key, vote.order)) for key, vote in zip(keys, votes, strict=True)
    ]
    assert {vote.order for vote in votes} == {(0, 1), (1, 0)}, "the order is drawn for each item"
    assert all(0 <= vote.seconds < 60 for vote in votes)
    assert page.is_visible("#empty")
    assert (page.text_content("#unsent"), page.get_attribute("html", "lang")) == {
        "en": ("saved", "en"),
        "zh": ("已保存", "zh"),
    }[language]


def test_a_dropped_link_loses_nothing_and_stores_nothing_twice(project, served, watched):
    store = project(pairs(8))
    site = served(app_of(store))
    seen = watched(site.url, **session(site, store, "Ada"))
    page = seen.page
    with page.expect_response("**/next"):  # the next three are here
        press(page, "1")
    wait_saved(page)
    page.context.set_offline(True)
    for key in "21t":
        press(page, key)
    assert page.text_content("#unsent") == "3 unsent"
    page.wait_for_selector("#away:not([hidden])")
    assert len(list(store.standing_votes())) == 1
    page.context.set_offline(False)
    wait_saved(page)
    assert not page.is_visible("#away")
    for key in "1111":
        press(page, key)
    wait_saved(page)
    votes = list(store.history())
    assert len(votes) == 8 and len({vote.item for vote in votes}) == 8
    assert [vote.answer.choice for vote in votes[1:4]] == [
        expected(key, vote.order) for key, vote in zip("21t", votes[1:4], strict=True)
    ]
    seen.complaints.clear()  # the browser says that it was offline


def test_an_answer_that_was_lost_on_its_way_back_is_one_vote(project, served, watched):
    store = project(pairs(3))
    site = served(app_of(store))
    seen = watched(site.url, **session(site, store, "Ada"))
    page = seen.page
    sent: list[str] = []

    def lose(route: Any) -> None:
        sent.append(route.request.post_data_json["client_key"])
        answer = route.fetch()
        if len(sent) == 1:
            route.abort()
        else:
            route.fulfill(response=answer)

    page.route("**/votes", lose)
    press(page, "1")
    wait_saved(page)
    assert len(sent) == 2 and len(set(sent)) == 1
    assert len(list(store.history())) == 1
    seen.complaints.clear()


def test_what_answers_in_place_of_the_server_takes_no_vote(project, served, watched):
    """A proxy says 404 while the server restarts; only this server's own refusal may end a vote."""
    store = project(pairs(3))
    site = served(app_of(store))
    seen = watched(site.url, **session(site, store, "Ada"))
    page = seen.page
    page.route("**/votes", lambda route: route.fulfill(status=404, body="<h1>Not found</h1>"))
    press(page, "1")
    page.wait_for_selector("#away:not([hidden])")
    assert page.text_content("#unsent") == "1 unsent"
    page.unroute("**/votes")
    page.evaluate("() => dispatchEvent(new Event('online'))")
    wait_saved(page)
    assert len(list(store.history())) == 1
    seen.complaints.clear()  # the browser says that something answered 404


def test_a_browser_without_room_keeps_votes_in_the_page(project, served, watched):
    store = project(pairs(3))
    site = served(app_of(store))
    page = watched(site.url, **session(site, store, "Ada")).page
    page.wait_for_selector("#task:not([hidden])")
    page.evaluate("() => { Storage.prototype.setItem = () => { throw new Error('full'); }; }")
    for key in ("f", "1"):  # a flag is a draft before it is part of a vote
        page.keyboard.press(key)
    wait_saved(page)
    [vote] = store.history()
    assert vote.flag


def test_votes_outlive_their_tab(project, served, watched):
    store = project(pairs(6))
    site = served(app_of(store))
    seen = watched(site.url, **session(site, store, "Ada"))
    context = seen.page.context
    context.route("**/votes", lambda route: route.abort())
    for key in "12":
        press(seen.page, key)
    assert seen.page.text_content("#unsent") == "2 unsent"
    held = seen.page.locator("#prompt .said").text_content()
    seen.page.keyboard.press("c")
    seen.page.keyboard.type("half a thought")
    seen.page.close()
    assert list(store.history()) == []
    context.unroute("**/votes")
    page = context.new_page()
    page.goto(site.url)
    page.wait_for_selector("#task:not([hidden])")
    wait_saved(page)
    assert len(list(store.standing_votes())) == 2
    assert page.locator("#prompt .said").text_content() == held, "the same item is open again"
    assert page.input_value("#comment") == "half a thought"
    seen.complaints.clear()


def test_undo_keeps_the_history(project, served, watched):
    store = project(pairs(4))
    site = served(app_of(store))
    page = watched(site.url, **session(site, store, "Ada")).page
    page.wait_for_selector("#task:not([hidden])")
    first = page.locator("#prompt .said").text_content()
    press(page, "1")
    press(page, "u")
    assert page.locator("#prompt .said").text_content() == first
    press(page, "2")
    wait_saved(page)
    assert [vote.act for vote in store.history()] == ["vote", "undo", "vote"]
    (vote,) = store.standing_votes()
    assert vote.answer == PairAnswer(expected("2", vote.order))
    page.reload()
    page.wait_for_selector("#task:not([hidden])")
    press(page, "u")
    assert page.locator("#prompt .said").text_content() == first, (
        "also a vote from before the page was opened"
    )
    assert list(store.standing_votes()) == []
    page.keyboard.press("u")
    page.wait_for_function("() => document.getElementById('said').textContent.includes('nothing')")


def test_of_two_tabs_each_takes_back_its_own_vote(project, served, watched):
    store = project(pairs(12))
    site = served(app_of(store))
    page = watched(site.url, **session(site, store, "Ada")).page
    press(page, "1")
    wait_saved(page)
    other = page.context.new_page()
    other.goto(site.url)
    press(other, "2")
    wait_saved(other)
    press(page, "u")
    wait_saved(page)
    (vote,) = store.standing_votes()
    assert (vote.id, vote.answer) == (2, PairAnswer(expected("2", vote.order)))
    press(other, "u")
    wait_saved(other)
    assert list(store.standing_votes()) == []
    other.keyboard.press("u")  # what stood when it was opened was taken back in the first
    other.wait_for_function("() => document.getElementById('said').textContent.includes('already')")


def test_a_double_click_answers_one_item(project, served, watched):
    store = project(pairs(4))
    site = served(app_of(store))
    page = watched(site.url, **session(site, store, "Ada")).page
    page.wait_for_selector("#task:not([hidden])")
    page.dblclick('[data-act="left"]')
    wait_saved(page)
    page.wait_for_timeout(100)
    assert len(list(store.history())) == 1


def test_every_kind_of_question_is_answered_by_keyboard(project, served, watched):
    store = project(
        [
            item("Rank", "Rank this", "Rank that", "Rank those", kind="ranking"),
            item("Rate", "Rate this", "Rate that", kind="ratings"),
            item("Label", "Label this", "Label that", kind="safety"),
            item("Mend", "A mistaek", kind="edit"),
            item("Choose", "Choose this", "Choose that"),
            item("Skip", "Skip this", "Skip that"),
        ],
        axes=("helpful", "calm"),
    )
    site = served(app_of(store))
    page = watched(site.url, **session(site, store, "Ada")).page
    keys = {
        "Rank": ["2", "t", "3", "1", "Enter"],
        "Rate": ["5", "4", "2", "Backspace", "3", "1", "Enter"],
        "Label": ["1", "2"],
        "Mend": ["Control+a", *"mended", "Control+Enter"],
        "Choose": ["f", "c", *"good", "Enter", "e", "2", "Control+a", *"Choose it", "Control+Enter"],
        "Skip": ["s", "2"],
    }
    for _ in keys:
        page.wait_for_selector("#task:not([hidden])")
        press(page, *keys[page.locator("#prompt .said").text_content()])
    wait_saved(page)
    items = {one.id: one.prompt[0].content for one in store.items()}
    votes = {items[vote.item]: vote for vote in store.standing_votes()}
    order = votes["Rank"].order
    assert votes["Rank"].answer == RankingAnswer((tuple(sorted((order[1], order[2]))), (order[0],)))
    rated = [{"helpful": 5, "calm": 4}, {"helpful": 3, "calm": 1}]
    assert votes["Rate"].answer == RatingsAnswer(tuple(rated[slot] for slot in votes["Rate"].order))
    labels = ["safe", "unsafe"]
    assert votes["Label"].answer == SafetyAnswer(tuple(labels[slot] for slot in votes["Label"].order))
    assert votes["Mend"].answer == EditAnswer(0, "mended")
    better = "first" if votes["Choose"].order[1] == 0 else "second"
    assert votes["Choose"].answer == PairAnswer(better, edited="Choose it")
    assert (votes["Choose"].comment, votes["Choose"].flag) == ("good", True)
    assert votes["Skip"].answer == SkipAnswer("unclear")


def test_responses_are_dragged_into_a_ranking(project, served, watched):
    store = project([item("Rank", "Rank this", "Rank that", "Rank those", kind="ranking")])
    site = served(app_of(store))
    page = watched(site.url, **session(site, store, "Ada")).page
    page.wait_for_selector("#task:not([hidden])")

    def drag(slot: int, to: str) -> None:
        start = page.locator(f'.chip[data-slot="{slot}"]').bounding_box()
        end = page.locator(to).bounding_box()
        page.mouse.move(start["x"] + 10, start["y"] + 10)
        page.mouse.down()
        page.mouse.move(start["x"] + 30, start["y"] + 5)
        page.mouse.move(end["x"] + end["width"] / 2, end["y"] + end["height"] / 2)
        page.mouse.up()

    drag(0, ".ranks")
    drag(1, '[data-before="0"]')
    drag(2, '[data-into="1"]')
    press(page, "Enter")
    wait_saved(page)
    (vote,) = store.standing_votes()
    order = vote.order
    assert vote.answer == RankingAnswer(((order[1],), tuple(sorted((order[0], order[2])))))


def test_training_comes_first_and_tells_the_known_answer(project, served, watched):
    store = project([*pairs(1), lesson()])
    site = served(app_of(store))
    page = watched(site.url, **session(site, store, "Ada")).page
    page.wait_for_selector("#training:not([hidden])")
    right = page.locator(".response", has_text="Rye").get_attribute("data-slot")
    page.keyboard.press("12"[1 - int(right)])
    page.wait_for_function("() => document.getElementById('known').textContent.includes('names the bread')")
    assert "is another" in page.text_content("#known")
    press(page, "Enter")
    assert page.is_hidden("#training")
    press(page, "1")
    wait_saved(page)


def test_what_is_hostile_is_text(project, served, watched):
    store = project([item(bad, bad, f"{bad} too") for bad in HOSTILE], guidelines=HOSTILE[0] + HOSTILE[3])
    site = served(app_of(store))
    page = watched(site.url, **session(site, store, "Ada")).page
    for _ in HOSTILE:
        page.wait_for_selector("#task:not([hidden])")
        shown = page.inner_text("#responses")
        assert "\x1b" not in shown and "\u202e" not in shown
        assert (
            page.locator("#task :is(script, img, svg, math, style, iframe, [style], [onload])").count() == 0
        )
        assert page.locator('#task a:not([href^="http"])').count() == 0
        page.keyboard.press("r")
        assert page.locator(".response .raw").count() == 2
        page.keyboard.press("r")
        press(page, "1")
    assert "<script>" in page.inner_text("#guidelines")
    wait_saved(page)
    assert len(list(store.standing_votes())) == len(HOSTILE)


def test_a_phone_shows_cards_below_each_other(project, served, watched):
    store = project([*pairs(3), item("Rate", "This", "That", kind="ratings")])
    site = served(app_of(store))
    phone = {"width": 390, "height": 844, "has_touch": True, "is_mobile": True, "color_scheme": "dark"}
    seen = watched(site.url, **phone, **session(site, store, "Ada"))
    page = seen.page
    for _ in range(4):
        page.wait_for_selector("#task:not([hidden])")
        page.wait_for_function("() => document.querySelectorAll('.response').length === 2")
        first, second = (card.bounding_box() for card in page.locator(".response").all())
        assert second["y"] >= first["y"] + first["height"]
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        assert seen.violations() == []
        bars = [one.bounding_box() for one in page.locator(".choice").all()]
        assert all(box["height"] >= 44 and box["y"] + box["height"] <= 844 for box in bars)
        before = page.text_content("#place")
        page.tap('[data-act="skip"]')
        page.tap('[data-act="skip:other"]')
        wait_for_another(page, before)
    wait_saved(page)
    assert len(list(store.standing_votes())) == 4


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing(project, served, watched, scheme):
    store = project(
        [
            lesson(),
            item(
                "# Title\n\n| a | b |\n|-|-|\n| 1 | 2 |",
                "```\ncode\n```\n[link](https://a.test)",
                "שלום *world*",
            ),
            item("Rank", "Rank this", "Rank that", "Rank those", kind="ranking"),
            item("Rate", "Rate this", "Rate that", kind="ratings"),
            item("Label", "Label this", "Label that", kind="safety"),
            item("Mend", "A mistaek", kind="edit"),
        ],
        guidelines="# Guidelines\n\nBe *kind*.",
    )
    site = served(app_of(store))
    seen = watched(site.url, color_scheme=scheme, **session(site, store, "Ada"))
    page = seen.page
    page.wait_for_selector("#task:not([hidden])")
    page.keyboard.press("1")
    page.wait_for_function("() => document.getElementById('known').textContent.includes('bread')")
    assert seen.violations() == []
    press(page, "Enter")
    there = ":is(#task, #empty):not([hidden])"
    while page.wait_for_selector(there).get_attribute("id") == "task":
        assert seen.violations() == []
        if page.locator("textarea").count() == 0:
            page.keyboard.press("e" if page.locator('[data-act="edit"]').count() else "1")
            assert seen.violations() == []
            page.keyboard.press("Escape")
        page.click('[data-act="skip"]')
        assert seen.violations() == []
        press(page, "5")
    assert seen.violations() == []
    page.keyboard.press("?")
    assert seen.violations() == []


def test_single_keys_can_be_turned_off(project, served, watched):
    """WCAG 2.1.4: somebody's speech input types single letters."""
    store = project(pairs(2))
    site = served(app_of(store))
    page = watched(site.url, **session(site, store, "Ada")).page
    page.wait_for_selector("#task:not([hidden])")
    page.keyboard.press("?")
    page.uncheck("#keys")
    page.keyboard.press("Escape")
    page.keyboard.press("1")
    page.wait_for_timeout(100)
    assert list(store.history()) == []
    page.focus('[data-act="right"]')
    page.keyboard.press("Space")
    wait_saved(page)
    assert len(list(store.standing_votes())) == 1
