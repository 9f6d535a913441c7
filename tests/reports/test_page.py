"""The report is whole, true to its numbers, and shows hostile text as text."""

import math
import re
from datetime import UTC, datetime
from itertools import pairwise

import pytest

from truing.core.errors import StorageError
from truing.reports.page import render_report, write_report
from truing.reports.records import (
    Report,
    StageRecord,
)
from truing.stats.told import duration, value_text
from truing.text.shown import clipped, language, plain

from .pages import CHINESE, HOSTILE, hostile_report, measures, report, training_rows
from .parsed import Page


def test_the_table_says_the_numbers_given():
    page = Page(render_report(report()))
    before, after, change, goal = page.row("Harmful prompts refused")[1:]
    assert "4.0%" in before and "1.1% to 13.5%, n 50" in before
    assert "94.0%" in after and "83.8% to 97.9%, n 50" in after
    assert "+90.0 points" in change and "▲ better" in change
    assert "at least 80.0%" in goal and "✓ met" in goal
    assert "≈ met, not certain" in page.row("Benign look-alikes refused")[4]
    assert "0.034 nats" in page.row("KL to the starting model")[2]
    assert "24 of 25" in page.row("fraud")[2] and "96.0%" in page.row("fraud")[2]
    assert page.row("Together") == ["Together", "364", "361", "3"]
    assert "2 min 06 s" in page.text


def test_hostile_text_is_shown_as_text():
    page = Page(render_report(hostile_report()))
    tags = page.names
    assert tags.count("script") == 2 and tags.count("style") == 1
    assert not {"img", "math", "iframe"} & set(tags)
    drawings = [found for tag, found in page.tags if tag == "svg" and found.get("class") == "drawing"]
    assert len(drawings) == sum((a.get("class") or "").startswith("plot ") for _, a in page.tags)
    assert not [name for _, attributes in page.tags for name in attributes if name.startswith("on")]
    for text in HOSTILE[:6]:
        assert text in page.text
    assert "{{ 7 * 7 }} {% raw %} {# gone #}" in page.text
    assert "⟨U+202E⟩gnp.exe⟨U+202C⟩" in page.text
    assert "red link  bell null" in page.text
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", page.text)
    assert "80,000 more characters not shown" in page.text


def test_nothing_is_loaded_from_anywhere():
    page = Page(render_report(hostile_report()))
    for tag, attributes in page.tags:
        for name in ("src", "href", "srcset", "data", "poster", "action", "style"):
            own = tag == "a" and (attributes.get(name) or "").startswith("#")
            assert own or (attributes.get(name) or "data:,") == "data:,", tag
    style = page.raw[0]
    assert "@import" not in style and "url(" not in style
    policy = next(a["content"] for _, a in page.tags if a.get("http-equiv") == "Content-Security-Policy")
    assert policy is not None and "unsafe" not in policy and "http" not in policy
    assert policy.startswith("default-src 'none'; script-src 'sha256-") and "connect-src 'none'" in policy


def test_a_page_of_many_sections_has_contents():
    page = Page(render_report(report()))
    links = [found["href"] for tag, found in page.tags if tag == "a"]
    assert links == [f"#{name}" for name in page.sections()]
    bare = Page(render_report(Report("t", datetime.now(UTC), "", measures=measures()[:1])))
    assert "nav" not in bare.names, "two sections need none"


def test_a_long_run_fits_two_megabytes():
    rows = [row | {"kl": 0.1, "entropy": 1 / row["step"]} for row in training_rows(4_000, preferences=True)]
    page = render_report(report(stages=[StageRecord("dpo", "dpo", 1e5, len(rows), rows)] * 2))
    assert len(page.encode()) < 2_000_000


def test_languages_and_structure():
    text = render_report(report())
    page = Page(text)
    assert ("html", {"lang": "en"}) in page.tags
    assert [a for _, a in page.tags if a.get("lang") == "zh"] and CHINESE in page.text
    headings = [int(tag[1]) for tag in page.names if re.fullmatch("h[1-6]", tag)]
    assert headings[0] == 1 and headings.count(1) == 1
    assert all(after - before <= 1 for before, after in pairwise(headings))
    assert all(a.get("scope") for tag, a in page.tags if tag == "th")
    plots = [a for _, a in page.tags if "plot" in (a.get("class") or "").split()]
    assert len(plots) == 3 + 3 + 6 and all(a["role"] == "img" and a["aria-label"] for a in plots)


def test_words_for_numbers():
    assert value_text(0.0625, "%") == "6.2%"
    assert value_text(-0.05, "%", signed=True) == "−5.0 points"
    assert value_text(math.nan, "nats") == "—"
    assert [duration(s) for s in (0.84, 41.6, 59.7, 84, 7500)] == [
        "0.8 s",
        "42 s",
        "1 min 00 s",
        "1 min 24 s",
        "2 h 05 min",
    ]


def test_plain_text():
    assert plain("a\r\nb\rc\u2028d") == "a\nb\nc\nd"
    assert plain("\x1b]0;never ended") == "0;never ended"
    assert clipped("abc", 3) == "abc" and clipped("abcd", 3).startswith("abc\n\n[… 1 more")
    assert [language(text) for text in ("hello", "你好", "こんにちは世界", "안녕")] == ["", "zh", "ja", "ko"]


def test_writing_is_whole_or_an_error_that_helps(tmp_path):
    path = tmp_path / "new" / "report.html"
    write_report(report(), path)
    assert path.read_text(encoding="utf-8").endswith("</html>") and len(list(path.parent.iterdir())) == 1
    blocked = tmp_path / "file"
    blocked.write_text("")
    with pytest.raises(StorageError, match="cannot be made"):
        write_report(report(), blocked / "report.html")


@pytest.mark.parametrize("width", [390, 1280])
def test_in_a_browser_it_is_silent_and_drawn(browser, tmp_path, width):
    path = tmp_path / "report.html"
    write_report(hostile_report(), path)
    page = browser.new_page(viewport={"width": width, "height": 900})
    dialogs, complaints, requests = [], [], []
    page.on("dialog", lambda dialog: (dialogs.append(dialog.message), dialog.dismiss()))
    page.on(
        "console",
        lambda message: complaints.append(message.text) if message.type in ("error", "warning") else None,
    )
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("request", lambda request: requests.append(request.url))
    page.goto(path.as_uri())
    page.locator("#measures-0 .dot").first.hover()
    assert "Before 4.0%" in page.locator(".tip").inner_text()
    page.locator("#stage-0-0 .drawing").hover()
    assert "step 2" in page.locator(".tip").inner_text()
    assert (dialogs, complaints) == ([], [])
    assert [url for url in requests if not url.startswith("data:")] == [path.as_uri()]
    assert page.title().startswith("</script>")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.close()
