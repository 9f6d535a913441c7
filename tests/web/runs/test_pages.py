"""The pages about runs in a browser: silent, sound, by keyboard and on a phone; strangers' text is text."""

import json
import time
from contextlib import ExitStack
from pathlib import Path

import pytest

from truing.config.run_folder import RunFolder, RunState
from truing.core.files import append_jsonl

from .folders import add_alarm, add_evaluation, add_samples, make_run

HOSTILE = (
    "<script>alert(1)</script>",
    "<img src=http://evil.example/x onerror=alert(2)>",
    "[link](javascript:alert(3))",
    "<svg onload=alert(4)><a xlink:href='javascript:alert(5)'>x</a></svg>",
    "<math><mi//xlink:href='data:x,<script>alert(6)</script>'>",
    "<style>@import url(http://evil.example/css)</style>",
    "\u202egnp.exe\u202c \u2066hidden\u2069",
    "\x1b[31mred\x1b[0m\x1b]8;;http://evil.example\x07link\x1b]8;;\x07",
    "</script></title></textarea>--><script>alert(7)</script>",
    "{{ 7 * 7 }} {% raw %}",
    "x" * 1_000_000,
)


@pytest.fixture
def board(tmp_path: Path) -> Path:
    """Two online runs, an offline one with an alarm, samples and an evaluation, and a pipeline."""
    run = make_run(tmp_path / "dpo", steps=2000, **{"logps/chosen": lambda s: -30.0, "odd/one": lambda s: s})
    add_alarm(run)
    add_evaluation(run / "eval", str(run))
    online = {"method": "grpo", "kl": lambda s: s / 500, "reward": lambda s: s / 300}
    add_samples(
        make_run(tmp_path / "one", steps=300, **online), {step: f"at {step} 你好" for step in (1, 50, 300)}
    )
    make_run(tmp_path / "two", steps=200, state=RunState.FAILED, reason="DataError: none", **online)
    make_run(tmp_path / "both" / "sft", method="sft")
    make_run(tmp_path / "both" / "dpo", policy=str(tmp_path / "both" / "sft" / "merged"))
    return tmp_path


def loaded(page) -> None:
    page.locator("#charts[data-loaded]").wait_for(state="attached")


@pytest.mark.parametrize(("width", "language", "scheme"), [(1280, "en", "light"), (390, "zh", "dark")])
def test_every_page_is_silent_and_sound(site_of, watched, board, width, language, scheme):
    site = site_of(board, language=language)
    found = watched(site.entry, width=width, color_scheme=scheme)
    page = found.page
    assert found.violations() == []
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.locator("a", has_text="one").click()
    loaded(page)
    page.locator("#samples article").first.wait_for()
    assert found.violations() == []
    page.locator("#others summary").click()
    page.locator("#charts summary").first.click()
    page.locator("#charts table tr").nth(10).wait_for()  # drawn once it is open
    assert found.violations() == []
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.go_back()
    for name in ("one", "two"):
        page.locator(f'tr:has(a:text-is("{name}")) input').check()
    page.locator("#compare").click()
    loaded(page)
    page.locator("#frontier-chart circle").first.wait_for()
    assert page.locator("#charts figure").first.locator("path.line").count() == 2
    assert found.violations() == []
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_a_chart_is_read_and_zoomed_by_keyboard_alone(site_of, watched, board):
    found = watched(site_of(board).entry)
    page = found.page
    page.locator("a", has_text="two").focus()
    page.keyboard.press("Enter")
    loaded(page)
    page.locator("#wanted").focus()
    for _ in range(20):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.getAttribute('role')") == "slider":
            break
    told = "document.activeElement.getAttribute('aria-valuetext')"
    page.keyboard.press("Home")
    assert page.evaluate(told).startswith("step 1: ")
    page.keyboard.press("ArrowRight")
    assert page.evaluate(told).startswith("step 2: ")
    page.keyboard.press("Shift+ArrowRight")
    assert page.evaluate(told).startswith("step 12: ")
    page.keyboard.press("+")
    page.locator("#whole:enabled").wait_for()
    assert "are shown" in page.locator("#said").inner_text()
    assert float(page.evaluate("document.activeElement.getAttribute('aria-valuemax')")) < 100
    page.keyboard.press("0")
    page.locator("#whole:disabled").wait_for()
    page.keyboard.press("End")
    assert page.evaluate(told).startswith("step 200: ")


def test_dragging_zooms_every_chart(site_of, watched, board):
    found = watched(site_of(board).entry)
    page = found.page
    page.locator("a", has_text="dpo").last.click()
    loaded(page)
    box = page.locator("#charts .plot").first.bounding_box()
    page.mouse.move(box["x"] + box["width"] * 0.5, box["y"] + 60)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.6, box["y"] + 60, steps=4)
    page.mouse.up()
    page.locator("#whole:enabled").wait_for()
    limits = page.evaluate(
        "[...document.querySelectorAll('#charts svg')].map(s => [s.ariaValueMin, s.ariaValueMax])"
    )
    assert len({tuple(limit) for limit in limits}) == 1
    assert 700 < float(limits[0][0]) < float(limits[0][1]) < 1400


def test_a_page_follows_a_run(site_of, watched, tmp_path: Path):
    run = make_run(tmp_path / "run", steps=30, state=RunState.RUNNING)
    with RunFolder.open(run) as folder:
        found = watched(site_of(tmp_path).entry)
        page = found.page
        page.locator("a", has_text="run").last.click()
        loaded(page)
        folder.log_metrics(31, {"loss": 123.0})
        page.get_by_text("step 31: 123").wait_for()
        add_alarm(run, saw="it went wrong")
        page.locator(".alarm", has_text="it went wrong").wait_for()
        assert "Alarm: " in page.locator("#said").inner_text()
        page.locator("#stop").click()
        page.get_by_text("It stops after this step").wait_for()
        assert folder.asked_to_stop()
    page.locator("#state", has_text="interrupted").wait_for()


def test_more_runs_than_a_browser_has_connections_are_followed_together(site_of, watched, tmp_path: Path):
    runs = [make_run(tmp_path / f"run{place}", steps=30, state=RunState.RUNNING) for place in range(8)]
    with ExitStack() as stack:
        folders = [stack.enter_context(RunFolder.open(run)) for run in runs]
        found = watched(site_of(tmp_path).entry)
        page = found.page
        asked: list[str] = []
        page.on("request", lambda one: asked.append(one.url))
        for box in page.locator('input[name="run"]').all():
            box.check()
        page.locator("#compare").click()
        loaded(page)
        for step, folder in ((31, folders[0]), (31, folders[-1]), (32, folders[-1])):
            folder.log_metrics(step, {"loss": 123.0})
            page.get_by_text(f"step {step}: ").first.wait_for()  # of the run with the most steps
        assert sum("/follow?" in url for url in asked) == 1
        assert page.evaluate("fetch('/').then((answer) => answer.status)") == 200


def test_a_page_that_nobody_sees_does_not_follow(site_of, watched, tmp_path: Path):
    run = make_run(tmp_path / "run", steps=30, state=RunState.RUNNING)
    turn = """hidden => {
        Object.defineProperty(document, "hidden", { value: hidden, configurable: true });
        document.dispatchEvent(new Event("visibilitychange"));
    }"""
    with RunFolder.open(run) as folder:
        page = watched(site_of(tmp_path).entry).page
        page.locator("a", has_text="run").last.click()
        loaded(page)
        ended: list[str] = []
        page.on("requestfailed", lambda one: ended.append(one.url))
        page.evaluate(turn, True)
        while not ended:
            page.wait_for_timeout(20)
        folder.log_metrics(31, {"loss": 123.0})
        assert "/follow?" in ended[0]
        with page.expect_request("**/follow?*"):
            page.evaluate(turn, False)
        page.get_by_text("step 31: 123").wait_for()


def test_a_list_follows_its_runs(site_of, watched, tmp_path: Path):
    run = make_run(tmp_path / "run", steps=30)
    page = watched(site_of(tmp_path).entry).page
    append_jsonl(run / "metrics.jsonl", {"step": 31, "loss": 0.125})
    page.locator('[data-cell="step"]', has_text="31").wait_for()
    make_run(tmp_path / "another")
    page.locator("a", has_text="another").wait_for()


def hostile_folder(root: Path) -> None:
    """A folder of runs in which every text is an attack."""
    attack = HOSTILE[1]
    for number, text in enumerate(HOSTILE):
        run = make_run(root / f"run {number} {text[:60].replace('/', '∕').replace(chr(0), '')}", policy=text)
        config = json.loads((run / "config.json").read_text())
        config["recipe"] |= {"method": text, "data": {"train": [text]}}
        (run / "config.json").write_text(json.dumps(config))
        status = json.loads((run / "status.json").read_text())
        (run / "status.json").write_text(json.dumps({**status, "state": "failed", "reason": text}))
        with (run / "metrics.jsonl").open("a") as file:
            file.write(json.dumps({"step": 61, text[:150]: 1.0, "loss": text, "kl": 1, "reward": 1}) + "\n")
            file.write(text + "\n")
        add_samples(run, {1: text, 2: attack}, prompt=text)
        add_alarm(run, saw=text, advice=text)
        add_evaluation(run / "eval", text, title=text, **{attack: 0.5})


def test_a_strangers_folder_is_shown_as_text(site_of, watched, tmp_path: Path):
    """X5: no dialog, no request, no element that was not ours; `watched` fails the test at one."""
    hostile_folder(tmp_path)
    site = site_of(tmp_path)
    found = watched(site.entry)
    page = found.page
    own = (
        "[...document.querySelectorAll('script')]"
        ".every(s => s.src.startsWith(location.origin) || s.type === 'application/json')"
    )
    links = page.locator("tbody th a").evaluate_all("found => found.map(one => one.href)")
    assert len(links) == 2 * len(HOSTILE)
    assert page.evaluate(own) and page.locator("main img, main svg, main math, main style").count() == 0
    assert "⟨U+202E⟩gnp.exe" in page.locator("main").inner_text()
    for link in links:
        page.goto(link)
        if page.locator("#charts").count():
            loaded(page)
            page.locator("#samples article").first.wait_for()
            page.locator("#others summary").click()
        assert page.evaluate(own)
        assert page.locator("main img, main math, main style, main iframe").count() == 0
        shown = page.evaluate("[...document.querySelectorAll('a')].every(a => a.protocol === 'http:')")
        assert shown and page.locator("main svg:not([role])").count() == 0
        assert not any(mark in page.content() for mark in ("\x1b", "\u202e", "\u2066"))
    assert len(page.content()) < 400_000


def test_the_first_paint_is_quick(site_of, watched, tmp_path: Path):
    make_run(tmp_path / "long", steps=100_000)
    page = watched(site_of(tmp_path).entry).page
    page.locator("tbody th a").click()
    began = time.perf_counter()
    loaded(page)
    assert time.perf_counter() - began < 8, "benchmarks/runs_page.py measures; this machine may be busy"
    paint = page.evaluate("performance.getEntriesByName('first-contentful-paint')[0].startTime")
    assert paint < 2000
