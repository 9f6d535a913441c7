"""The page of several runs: the right differences, curves, tests and answers; hostile text stays text."""

import json
import re

import pytest

from truing.reports.compare.page import comparison_report, flat
from truing.reports.compare.read import read_subjects
from truing.reports.compare.records import MOST
from truing.reports.page import render_report

from ..parsed import Page
from .folders import (
    evaluation,
    hostile,
    page_of,
    training,
)

# What differs


def test_only_keys_that_differ_are_shown_and_what_is_the_same_is_counted(tmp_path):
    page = page_of(training(tmp_path / "a"), training(tmp_path / "b", learning_rate=3e-5, seed=7))
    assert page.row("optim.learning_rate")[1:] == ["1e-05", "3e-05"]
    assert page.row("seed")[1:] == ["0", "7"]
    keys = [row[0].strip() for row in page.cells if len(row) == 3]
    assert not {"method", "output", "resolved.learning_rate"} & set(keys)
    assert "2 differ" in page.text and "Data nothing differs, 9 the same" in " ".join(page.text.split())
    assert "Their recipes differ in 2 keys: optim.learning_rate, seed." in page.text


def test_what_a_run_made_of_an_open_key_is_shown(tmp_path):
    first, second = training(tmp_path / "a"), training(tmp_path / "b")
    config = json.loads((second / "config.json").read_text())
    config["recipe"]["resolved"]["hyper"]["beta"] = 0.5
    config["versions"]["torch"] = "9.9"
    (second / "config.json").write_text(json.dumps(config))
    page = page_of(first, second)
    assert page.row("resolved.hyper.beta")[1:] == ["0.1", "0.5"]
    assert page.row("torch")[2] == "9.9"


def test_data_is_told_apart_by_its_digest_and_its_rows(tmp_path):
    page = page_of(training(tmp_path / "a"), training(tmp_path / "b", digest="cd34" * 16, kept=40))
    assert page.row("pairs.jsonl")[1:] == ["sha256 ab12ab12ab12", "sha256 cd34cd34cd34"]
    assert page.row("rows kept")[1:] == ["47", "40"]
    assert page.row("rows set aside, too-long")[1:] == ["3", "10"]


def test_keys_are_flat_and_values_are_text():
    found = flat({"a": {"b": 1e-5, "c": []}, "d": None, "e": "x", "output": "y", "f": {}})
    assert found == {"a.b": "1e-05", "a.c": "[]", "d": "null", "e": "x", "f": "{}"}


def test_where_a_run_ended_is_the_mean_of_its_last_tenth(tmp_path):
    """Of 50 steps the last five are 46 to 50, whose mean is 48; 1 to 5 have the mean 3."""
    rows = [{"loss": float(step), "eval/loss": float(step)} for step in range(1, 51)]
    page = page_of(training(tmp_path / "a", metrics=rows), training(tmp_path / "b", metrics=rows))
    assert page.row("loss")[1:] == ["48", "48"] and page.row("eval/loss")[1:] == ["50", "50"]


def test_parts_without_data_are_left_out(tmp_path):
    runs = page_of(training(tmp_path / "a"), training(tmp_path / "b"))
    assert runs.sections() == ["compared", "differences", "curves", "repeat"]
    found = page_of(evaluation(tmp_path / "c", [1, 0]), evaluation(tmp_path / "d", [1, 1]))
    assert found.sections() == ["compared", "differences", "numbers", "spreads", "answers", "repeat"]


def test_hostile_text_is_shown_as_text_and_nothing_is_loaded(tmp_path):
    page = Page(render_report(hostile(tmp_path)))
    tags = page.names
    assert tags.count("script") == 2 and tags.count("style") == 1 and "img" not in tags
    for tag, found in page.tags:
        assert not [name for name in found if name.startswith("on")]
        assert not {"src", "srcset", "style", "action"} & found.keys(), tag
        assert tag == "link" or (found.get("href") or "#").startswith("#")
    assert "<script>alert(1)</script><img src=x onerror=alert(2)>⟨U+202E⟩" in page.text
    assert not re.search("[\u202a-\u202e]", page.text)
    names = [line["name"] for lines in page.lines.values() for line in lines]
    assert any("onerror" in name for name in names) and not any("\u202e" in name for name in names)


@pytest.mark.parametrize("width", [390, 1280])
def test_in_a_browser_it_is_silent_drawn_and_filtered(browser, tmp_path, width):
    path = tmp_path / "page.html"
    path.write_text(render_report(hostile(tmp_path)), encoding="utf-8")
    page = browser.new_page(viewport={"width": width, "height": 900})
    complaints, requests = [], []
    page.on("dialog", lambda dialog: (complaints.append(dialog.message), dialog.dismiss()))
    page.on(
        "console",
        lambda told: complaints.append(told.text) if told.type in ("error", "warning") else None,
    )
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("request", lambda request: requests.append(request.url))
    page.goto(path.as_uri())
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.locator("a[href='#items-harmlessness']").click()
    answers = page.locator("#items-harmlessness .example")
    answers.nth(0).wait_for()  # the page unfolds them once the address has changed
    assert answers.nth(1).is_visible()
    page.locator("#items-harmlessness .filter input").check()
    answers.nth(1).wait_for(state="hidden")
    assert answers.nth(0).is_visible()
    assert complaints == []
    assert [url for url in requests if not url.startswith("data:")] == [path.as_uri()]
    page.close()


def test_in_a_browser_a_press_on_a_head_sorts_the_rows(browser, tmp_path):
    folders = [evaluation(tmp_path / name, [1, 1, 0], [0.25, 0.5, 0.75]) for name in "ab"]
    path = tmp_path / "page.html"
    path.write_text(render_report(comparison_report(read_subjects(folders))), encoding="utf-8")
    page = browser.new_page()
    page.goto(path.as_uri())
    table = page.locator("table.sortable").first
    heads, rows = table.locator("thead button"), table.locator("tbody th")
    found = []
    for place in (0, 0, 1, 1):
        heads.nth(place).click()
        names = [text[:4] for text in rows.all_inner_texts()]
        found.append((names, table.locator("thead th").nth(place).get_attribute("aria-sort")))
    safe, reward = "Harm", "Mean"  # 66.7 % and 0.5
    assert found == [
        ([safe, reward], "ascending"),
        ([reward, safe], "descending"),
        ([safe, reward], "descending"),
        ([reward, safe], "ascending"),
    ]
    page.close()


# Folders


def test_eight_runs_fit_on_a_page(tmp_path):
    paths = [evaluation(training(tmp_path / str(n)) / "eval", [n % 2, 1]).parent for n in range(MOST)]
    page = page_of(*paths)
    assert len(page.row("Harmful prompts answered safely")) == MOST + 1
    tones = [{m["class"][-5:] for m in drawn if "grid" not in m["class"]} for drawn in page.marks.values()]
    assert tones == [{f"run-{place}" for place in range(MOST)}] * 2
