"""Every kind of page in Chinese: only names and numbers are left in English, and hostile text stays text."""

import html
import json
import re
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from truing.cli.main import main
from truing.config.config import load_eval_recipe
from truing.config.recipe import Recipe
from truing.config.run_folder import HEALTH, REWARD, ROWS, RunFolder, RunState
from truing.core.files import append_jsonl
from truing.core.records import user
from truing.core.words import speaking
from truing.evals.bench import Marks, ScoredResponses, TaskResult
from truing.evals.gates import judge_gates
from truing.evals.run import Evaluation, write_evaluation
from truing.evals.sides import Question, SampledResponse
from truing.evals.tasks import responses
from truing.reports.evaluation import evaluation_report
from truing.reports.page import render_report, write_report
from truing.reports.records import (
    CategoryRow,
    DataCount,
    GroupRow,
    GroupTable,
    HitShare,
    Measure,
    Report,
    Rewarded,
    SampleGroup,
    SampleTable,
    SideBySide,
    StageRecord,
)
from truing.sampling.types import Finish, Sample
from truing.stats.intervals import Interval
from truing.training import health_rules
from truing.training.health import RULES, Finding, read_findings

ENGLISH = re.compile(r"[A-Za-z']{2,},? [A-Za-z']{2,}")  # two words in a row
HOSTILE = "<script>alert(1)</script>{0}{x}\u202e"
Truing = Callable[..., tuple[int, str]]


@pytest.fixture
def truing(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Truing:
    """Runs `truing ARGS`: its exit code, and all it printed."""

    def run(*args: object) -> tuple[int, str]:
        monkeypatch.setattr(sys, "argv", ["truing", *map(str, args)])
        with pytest.raises(SystemExit) as end:
            main()
        told = capsys.readouterr()
        return int(end.value.code or 0), told.out + told.err

    return run


def evaluation(folder: Path, refused: list[float]) -> Evaluation:
    """An evaluation of one task as `truing eval` writes it: one answer a question, refused or not."""
    asked = [Question(f"q{place}", user(f"{place}?"), category="ab"[place % 2]) for place in range(10)]
    said = [SampledResponse(one, Sample([1], [], "好", Finish.STOP, n, 0), 0) for n, one in enumerate(asked)]
    sides = [[Marks({"full": value}) for value in side] for side in (refused, [0.0] * 10)]
    scored = ScoredResponses([said, said], sides)
    found = scored.finding(
        responses.OVER_REFUSAL[0], "full", group=lambda response: response.question.category
    )
    flags = ["model=m", "against=b", "page_language=zh", "gates.kl.below=1", "tasks={over_refusal: {}}"]
    recipe = load_eval_recipe(None, [*flags, "gates.over_refusal.below=0.9"])
    results = {"over_refusal": TaskResult([found], [scored])}
    done = Evaluation(recipe, results, judge_gates(recipe.gates, [found]), {})
    write_evaluation(done, folder)
    return done


def training(path: Path, *, learning_rate: float = 1e-4) -> Path:
    """A run that stopped after two steps."""
    asked = {"policy": "p", "data": {"train": ["a.jsonl"]}, "optim": {"learning_rate": learning_rate}}
    recipe = Recipe(method="dpo", output=str(path), **asked).model_dump(mode="json")  # pyright: ignore
    resolved = {"loss": "dpo", "hyper": {}}
    with RunFolder.open(path) as folder:
        folder.write_config(recipe | {"rewards": [], "inputs": {"a.jsonl": "ab12"}, "resolved": resolved})
        for step in (1, 2):
            row = {"loss": 0.7 / step, "eval/loss": 0.8, "kl": 0.1, "reward": step, "entropy": 1.0 / step}
            folder.log_metrics(step, row | {"seconds": 20.0})
        folder.write_status(RunState.STOPPED, step=2, last_checkpoint="step-2")
        folder.write_facts(
            ROWS, {"read": 5, "made": 2, "kept": 7, "set_aside": {}, "train": 6, "held_out": 1}
        )
    return path


def read(page: str) -> str:
    """The words on a page: text, labels and the words of charts; no recipe, no model's answer."""
    told = re.findall(r'id="told"[^>]*>(.*?)</script>', page, flags=re.DOTALL)
    drawn = [str(line["name"]) for text in told for line in _lines(json.loads(text))]
    labels = re.findall(r'(?:aria-label|data-label|data-tip)="([^"]*)"', page)
    aside = r"<(style|pre|title|script)\b.*?</\1>"
    texts = re.split(r"<[^>]+>", re.sub(aside, "", page, flags=re.DOTALL))
    return html.unescape("\n".join([*texts, *labels, *drawn]))


def _lines(told: dict[str, Any]) -> list[dict[str, Any]]:
    return [line for chart in told["charts"].values() for line in chart["lines"]]


def assert_chinese(page: str, *said: str) -> None:
    text = read(page)
    assert '<html lang="zh">' in page
    sentences = re.sub("`[^`]*`", "", text)
    assert not (found := ENGLISH.search(sentences)), sentences[max(0, found.start() - 60) : found.end() + 60]
    for words in said:
        assert words in text


def test_an_evaluation_in_chinese(tmp_path):
    done = evaluation(tmp_path, [1.0] * 8 + [0.0] * 2)
    with speaking(done.recipe.page_language):
        page = render_report(evaluation_report(done))
    assert_chinese(
        page,
        "m 对比 b",
        "“无害提示被拒绝”从 0.0% 变为 80.0%；1 项目标中达成 1 项，其中 1 项不确定。",
        "未过门槛：kl 没有测出，要求低于 1。",
        "+80.0 个百分点",
        "▲ 变差",
        "不高于 90.0%",
        "“无变化”的 p 值为 0.0078。",
        "配方：本次评估",
        "over_refusal：10 条回答，8 条有变化",
    )
    assert "Harmless prompts refused" in render_report(evaluation_report(done))


def test_a_run_in_chinese(tmp_path, truing: Truing):
    path = training(tmp_path / "run")
    code, told = truing("report", path, "--language", "zh")
    assert code == 0 and "Interrupted after 2 steps." in told
    page = (path / "report.html").read_text(encoding="utf-8")
    assert_chinese(
        page,
        "run：p 的 DPO 训练",
        "训练中断，已完成 2 步。留出集上的损失最终为 0.8，最好时为 0.8。",
        "原因：训练没有完成。最后一个检查点是 step-2。用同一条 `truing train` 命令即可继续。",
        "a.jsonl（另有 2 行由偏好对拆成）（6 行用于训练，1 行留出）",
        "训练 0.525；留出集 0.8 → 0.8",
    )


def test_alarms_and_responses_in_chinese(tmp_path, truing: Truing):
    """A rule's sentence is told with its own numbers, also of a run whose terminal was in English."""
    path = training(tmp_path / "run")
    seen = health_rules.part(
        "the log-probability of {better} responses fell from {before:.3g} to {now:.3g} nats"
        " while their lead in reward went from {lead:.3g} to {lead_now:.3g}",
        better="chosen",
        before=-31.9,
        now=-66.5,
        lead=0.258,
        lead_now=12.0,
    )
    rule = "likelihood_displacement"
    finding = Finding(rule, 9, 7, "", RULES[rule].advice, "rollback", 4).saying(seen)
    append_jsonl(path / HEALTH, finding.row())
    with RunFolder.open(path) as folder:
        for step in (1, 2):
            told = {"place": "a.jsonl:1", "prompt": "几点了？", "response": "三点", "reward": 0.5 * step}
            folder.log_sample(step, told)
    assert truing("report", path, "--language", "zh")[0] == 0
    assert_chinese(
        (path / "report.html").read_text(encoding="utf-8"),
        "较好回答的似然在下降，自第 7 步起",
        "观察到：较好回答的对数概率从 -31.9 降到 -66.5 nats，而其奖励领先量从 0.258 变为 12。",
        "稳住较好回答：loss.sft_weight: 1.0",
        "训练已回到第 4 步的检查点，学习率减半。",
        "训练中的回答",
        "奖励 0.5",
    )
    assert finding.saw in str(read_findings(path)[0]), "the log is in English"


def test_every_section_of_a_page_in_chinese():
    """With names in Chinese, whatever is in English stands in the page itself."""
    share = Interval(0.4, 0.2, 0.6, 10)
    rows = [{"step": n, "loss": 1 / n, "logps/chosen": -n, "logps/rejected": -n} for n in range(1, 31)]
    measures = [
        Measure("a", "有害", share, share, "%", "lower", 0.5, "说明"),
        Measure("kl", "偏移", share, share, "nats", "lower"),
        Measure("perplexity", "困惑度", share, share, "x", "near", 0.5),
    ]
    whole = Report(
        "标题",
        datetime.now(UTC),
        "truing",
        measures=measures,
        groups=[GroupTable("a", "有害", "%", [GroupRow("甲", share, None)])],
        stages=[StageRecord("一", "二", 70.0, 30, rows), StageRecord("三", "四", 7000.0, 1, rows[:1])],
        samples=[SampleTable("The first step", [SampleGroup(1, "问", [Rewarded("答", None)])])],
        examples=[SideBySide("问", "甲", True, "前", "后", False, True)] * 11,
        categories=[CategoryRow("甲", HitShare(1, 2))],
        data=[DataCount("甲", 3, 2, 1, "乙"), DataCount("丙", 1, 1, 0)],
        versions={"torch": "2"},
        config={"一": "甲: 乙"},
    )
    with speaking("zh"):
        page = render_report(whole)
    named = {"truing", "nats", "KL", "UTC", "JavaScript", "torch", "n", "s", "U", "E"}  # and units, signs
    left = set(re.findall(r"[A-Za-z]+", read(page))) - named
    assert left <= {"k", "x", "e"}, left


def test_a_reward_model_in_chinese(tmp_path, truing: Truing):
    share = {"estimate": 0.8, "low": 0.6, "high": 0.9, "n": 40}
    summary = {
        "rows": 40,
        "responses": 80,
        "mean_score": -0.2,
        "pairs": 40,
        "accuracy": share,
        "ties": 1,
        "mean_margin": 1.3,
        "ece": 0.06,
        "reliability": [{"confidence": 0.9, "accuracy": share}],
        "margin_histogram": {"counts": [9, 31], "edges": [-1.0, 0.0, 1.0]},
        "row_score": None,
        "length": {"pearson": None, "spearman": None},
        "categories": {"a": share},
        "step": 2,
    }
    path = training(tmp_path / "run")
    with RunFolder.open(path) as folder:
        folder.write_facts(REWARD, summary)
    assert truing("report", path, "--language", "zh")[0] == 0
    page = (path / "report.html").read_text(encoding="utf-8")
    said = "在 40 个留出偏好对上，较好的回答得分更高的占 80.0% (60.0% 至 90.0%)。"
    assert_chinese(page, said, "40 对中有 9 对低于 0，即顺序错误", "其中一方没有变化")


def test_several_runs_in_chinese(tmp_path, truing: Truing):
    for name, refused in (("a", [1.0] * 9 + [0.0]), ("b", [0.0] * 10)):
        path = training(tmp_path / name, learning_rate=1e-4 if name == "a" else 1e-3)
        evaluation(path / "eval", refused)
    target = tmp_path / "both.html"
    code, _ = truing("report", tmp_path / "a", tmp_path / "b", "--output", target, "--language", "zh")
    assert code == 0
    assert_chinese(
        target.read_text(encoding="utf-8"),
        "a 与 b 的对比",
        "b 对比 a：检验的 1 项指标中，排除偶然波动后，1 项变好。",
        "它们的配方有 1 个键不同：optim.learning_rate。",
        "1 项不同，",
        "p 0.0039，Holm 校正后 0.0039",
        "奖励取自用于训练的提示，而非留出提示；KL 取自用于训练的回答。",
        "m 对比 b，种子 0：over_refusal；10 条回答。",
    )


def test_the_page_of_an_evaluation_is_not_written_again(tmp_path, truing: Truing):
    evaluation(tmp_path / "eval", [0.0] * 10)
    code, told = truing("report", tmp_path / "eval", "--language", "zh")
    assert code == 2 and "--set page_language=zh" in told


def test_names_in_chinese_sentences_are_text(tmp_path):
    done = evaluation(tmp_path, [1.0] * 10)
    measure = Measure(HOSTILE, HOSTILE, None, Interval(1.0, 0.7, 1.0, 10), "%", "higher", items=HOSTILE)
    with speaking("zh"):
        page = render_report(Report(HOSTILE, evaluation_report(done).created, "", measures=[measure]))
    assert "<script>alert(1)" not in page and "\u202e" not in page
    assert "“<script>alert(1)</script>{0}{x}⟨U+202E⟩”为 100.0%。" in read(page)


def test_a_page_in_chinese_is_drawn_without_complaint(browser, tmp_path):
    done = evaluation(tmp_path, [1.0] * 8 + [0.0] * 2)
    with speaking("zh"):
        write_report(evaluation_report(done), tmp_path / "report.html")
    page, complaints = browser.new_page(viewport={"width": 390, "height": 900}), []
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.goto((tmp_path / "report.html").as_uri())
    assert complaints == []
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    fonts = "[...document.querySelectorAll('pre')].map(part => getComputedStyle(part).fontFamily)"
    assert all(font.endswith("monospace") for font in page.evaluate(fonts))
    page.close()
