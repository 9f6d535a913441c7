"""The quickstart from beginning to end on a tiny model: every file it promises, and numbers that agree."""

import json
from collections.abc import Iterator
from contextlib import contextmanager

from transformers import AutoModelForCausalLM

from truing.evals.suites.headlines import load_headlines
from truing.pipelines.quickstart import EVERY, quickstart, upper_half


class Line:
    """A progress line nobody reads."""

    def update(self, done: int) -> None:
        assert done >= 0

    def step(self, step: int, logs: dict[str, float]) -> None:
        assert step >= 1
        assert "loss" in logs


@contextmanager
def watch(title: str, total: int) -> Iterator[Line]:
    assert title
    assert total > 0
    yield Line()


def test_the_adapter_is_on_the_upper_half():
    assert upper_half(4)["targets"] == ".*layers[.](2|3)[.].*_proj"
    assert upper_half(5)["targets"] == ".*layers[.](2|3|4)[.].*_proj"


def test_every_stage_leaves_what_it_promises(model_folder, tmp_path):
    english = [h for h in load_headlines() if h.language == "en"]
    train = [h for h in english if h.split == "train"][:7]
    held_out = [h for h in english if h.split == "held_out"][:2]
    told: list[str] = []
    table = quickstart(tmp_path, told.append, watch, policy=str(model_folder), headlines=train + held_out)
    summary = json.loads((tmp_path / "summary.json").read_text())

    assert set(summary["seconds"]) == {
        "fetch", "measure_before", "sample", "sft", "dpo", "measure_after", "report", "total"
    }  # fmt: skip
    for side in ("before", "after"):
        assert set(summary[side]) == {"harmful_refused", "benign_refused", "perplexity", "kl"}
    assert summary["before"]["kl"] == 0
    assert summary["after"]["kl"] > 0
    assert [m.name for m in table] == list(summary["intervals"])
    assert summary["intervals"]["harmful_refused"]["n"] == len(held_out)
    AutoModelForCausalLM.from_pretrained(tmp_path / summary["model"])
    assert "<html" in (tmp_path / "report.html").read_text()[:2000]

    def rows(name: str) -> list[dict[str, str]]:
        return [json.loads(line) for line in (tmp_path / f"{name}.jsonl").read_text().splitlines()]

    assert [row["prompt"] for row in rows("demonstrations")] == [h.harmful for h in train]
    assert {row["prompt"] for row in rows("retained")} <= {h.benign for h in train}
    asked = {prompt for h in train[::EVERY] for prompt in (h.harmful, h.benign)}
    assert {row["prompt"] for row in rows("preferences")} <= asked
    for name in ("sft", "dpo"):
        config = json.loads((tmp_path / "runs" / name / "config.json").read_text())
        assert config["recipe"]["data"]["retain"] == [str(tmp_path / "retained.jsonl")]
        assert str(tmp_path / "retained.jsonl") in config["recipe"]["inputs"]
