"""The quickstart from beginning to end on a tiny model: every file it promises, and numbers that agree."""

import json
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest
from transformers import AutoModelForCausalLM

from truing.core.errors import Stopped
from truing.core.messages import told as in_language
from truing.core.told_zh import ZH
from truing.core.words import add_words
from truing.evals.suites.headlines import Headline, load_headlines
from truing.evals.suites.ordinary import load_ordinary
from truing.pipelines import quickstart as module
from truing.pipelines.budget import EVERY
from truing.pipelines.quickstart import STAGES, quickstart, spread, upper_half


class Line:
    """A progress line nobody reads; raises KeyboardInterrupt at step `stop`."""

    def __init__(self, stop: int | None = None) -> None:
        self.stop = stop

    def update(self, done: int) -> None:
        assert done >= 0

    def step(self, step: int, logs: dict[str, float]) -> None:
        assert step >= 1
        assert "loss" in logs
        if step == self.stop:
            raise KeyboardInterrupt


@contextmanager
def watch(title: str, total: int) -> Iterator[Line]:
    assert title
    assert total > 0
    yield Line()


@contextmanager
def interrupted(title: str, total: int) -> Iterator[Line]:
    yield Line(stop=1 if title == "DPO" else None)


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> list[Headline]:
    """Seven topics to learn from and two held out; few other prompts."""
    monkeypatch.setattr(module, "load_ordinary", lambda language: load_ordinary(language)[:5])
    monkeypatch.setattr(module, "load_neutral", lambda: ["A quiet street at noon.", "街上很安静。"])
    english = [h for h in load_headlines() if h.language == "en"]
    train = [h for h in english if h.split == "train"][:7]
    return train + [h for h in english if h.split == "held_out"][:2]


def english(lines: Sequence[str]) -> list[str]:
    """Return the English left on a Chinese terminal: the lines with two words of it in a row."""
    add_words("zh", ZH)
    return [line for one in lines if re.search("[a-z]{2,} [a-z]{2,}", line := in_language(one, "zh"))]


def rows(folder: Path, name: str) -> list[dict[str, str]]:
    return [json.loads(line) for line in (folder / f"{name}.jsonl").read_text().splitlines()]


def test_the_adapter_is_on_the_upper_half():
    assert upper_half(4)["targets"] == ".*layers[.](2|3)[.].*_proj"
    assert upper_half(5)["targets"] == ".*layers[.](2|3|4)[.].*_proj"


def test_topics_are_spread_over_categories():
    train = [h for h in load_headlines() if h.language == "en" and h.split == "train"]
    for count in (40, 140, 240):
        chosen = spread(train, count)
        each = [sum(h.category == category for h in chosen) for category in {h.category for h in train}]
        assert len({h.topic for h in chosen}) == count
        assert max(each) - min(each) <= 1
    assert len(spread(train, 10**6)) == len(train)


def test_every_stage_leaves_what_it_promises_and_goes_on_where_it_was_stopped(model_folder, tmp_path, few):
    told: list[str] = []
    how = {"policy": str(model_folder), "headlines": few}
    with pytest.raises(Stopped, match=r"during DPO; .* keeps the plan, measuring before, ") as stopped:
        quickstart(tmp_path, told.append, interrupted, **how)
    assert stopped.value.exit_code == 130
    assert english([*told, stopped.value.message, stopped.value.hint]) == []
    plan = (tmp_path / "plan.json").read_text()
    sampled = (tmp_path / "retained.jsonl").stat().st_mtime_ns
    told.clear()
    table = quickstart(tmp_path, told.append, watch, **how)
    assert english(told) == []
    assert (tmp_path / "plan.json").read_text() == plan
    assert (tmp_path / "retained.jsonl").stat().st_mtime_ns == sampled
    assert [line for line in told if line.endswith(" is done")] == [
        "stage 1 of 5: measuring before is done",
        "stage 2 of 5: sampling responses is done",
        "stage 3 of 5: SFT is done",
    ]

    summary = json.loads((tmp_path / "summary.json").read_text())
    assert set(summary["seconds"]) == {"fetch", "pace", *STAGES, "report", "total"}
    named = {name: value for name, value in summary["seconds"].items() if name not in ("fetch", "total")}
    assert summary["seconds"]["total"] == pytest.approx(sum(named.values()), abs=0.1)
    assert summary["peak_memory_gb"] > 0
    both = {"harmful_refused", "benign_refused", "perplexity", "kl"}
    assert (set(summary["before"]), set(summary["after"])) == (both, both | {"ordinary_refused"})
    assert summary["before"]["kl"] == 0
    assert summary["after"]["kl"] > 0
    assert [m.name for m in table] == list(summary["intervals"])
    assert [summary["intervals"][name]["n"] for name in ("harmful_refused", "ordinary_refused")] == [2, 3]
    AutoModelForCausalLM.from_pretrained(tmp_path / summary["model"])
    assert "<html" in (tmp_path / "report.html").read_text()[:2000]

    train = sorted(few[:7], key=lambda headline: headline.category)
    assert [row["prompt"] for row in rows(tmp_path, "demonstrations")] == [h.harmful for h in train]
    ordinary = [one.prompt for one in load_ordinary("en")[:5]]
    held = {row["prompt"] for row in rows(tmp_path, "retained")}
    assert held <= {h.benign for h in train} | {ordinary[0], ordinary[4]}
    asked = {prompt for h in train[::EVERY] for prompt in (h.harmful, h.benign)}
    assert {row["prompt"] for row in rows(tmp_path, "preferences")} <= asked
    for name in ("sft", "dpo"):
        config = json.loads((tmp_path / "runs" / name / "config.json").read_text())
        assert config["recipe"]["data"]["retain"] == [str(tmp_path / "retained.jsonl")]
        assert str(tmp_path / "retained.jsonl") in config["recipe"]["inputs"]


def test_in_chinese_the_page_is_chinese_and_says_what_the_model_cannot_read(model_folder, tmp_path, few):
    chinese = [h for h in load_headlines() if h.language == "zh"]
    some = [h for h in chinese if h.split == "train"][:3] + [h for h in chinese if h.split == "held_out"][:1]
    quickstart(tmp_path, lambda line: None, watch, policy=str(model_folder), language="zh", headlines=some)
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert '<html lang="zh' in page
    for text in ("日常提示被拒绝", "学会拒绝", "起始模型几乎读不懂这种语言"):
        assert text in page
