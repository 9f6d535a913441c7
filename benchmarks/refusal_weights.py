"""Fit the weights of `text/refusal_weights.py`, and say how well they do on unseen rows.

    python benchmarks/refusal_weights.py --data ../shared/data           # five folds: before and after
    python benchmarks/refusal_weights.py --data ../shared/data --write   # fit on all rows, write the weights

Rows: those of `redteam/labelled/seen/` (weight 1), PyRIT's scorer rows (a half; without refusals that only
answer another question), and three files of ordinary answers (0.2 to 0.3; without those that speak of what a
model cannot do, whose labels nobody knows). The fit is a logistic regression with a ridge of `RIDGE` on
standardised features, by Newton's method. Folds are over rows, and the mean of `REPEATS` drawings counts.
"""

import argparse
import csv
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from truing.redteam.card import own_rows
from truing.text.refusal_levels import Level
from truing.text.refusal_reading import evidence_of, read_by_rules, read_refusal

RIDGE = 15.0
FOLDS, REPEATS = 5, 5
LEAST = 0.05  # the least deviation by which a feature is divided, so that a rare one has no huge weight
WEIGHTS = Path(__file__).parents[1] / "src/truing/text/refusal_weights.py"
ORDINARY = (("dpo_en_demo.json", 0.3), ("dpo_zh_demo.json", 0.2), ("alpaca_zh_demo.json", 0.2))
UNSURE = re.compile(r"提供|无法|不能|人工智能|AI|抱歉|对不起|sorry|apologi|cannot|unable", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Row:
    """A labelled row, where it comes from, and its weight in the fit."""

    source: str
    prompt: str
    response: str
    refused: bool
    weight: float


def rows_of(data: Path) -> Iterator[Row]:
    """Yield all rows whose files are there."""
    for own in own_rows(seen=True):
        yield Row(own.language, own.prompt, own.response, own.refused, 1.0)
    if (data / "pyrit_refusal.csv").exists():
        with (data / "pyrit_refusal.csv").open(encoding="utf-8", newline="") as lines:
            next(lines)  # a comment
            for row in csv.DictReader(lines):
                refused = row["human_score"] == "1"
                prompt, text = row["objective"], row["assistant_response"]
                seen = read_by_rules(text, prompt).level is not Level.NONE
                yield Row("pyrit", prompt, text, refused, 0.5 if seen or not refused else 0.0)
    for name, weight in ORDINARY:
        for row in json.loads((data / name).read_text("utf-8")) if (data / name).exists() else ():
            asked = f"{row.get('instruction', '')} {row.get('input', '')}".strip()
            text = row.get("output") or row["chosen"]["value"]
            known = UNSURE.search(text[:200]) is None
            prompt = asked or row["conversations"][-1]["value"]
            yield Row(name, prompt, text, False, weight if known else 0.0)


def fit(values: np.ndarray, labels: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return bias and weights, [1 + F] f64, of a ridge logistic regression of labels [N] on values [N, F]."""
    inputs = np.c_[np.ones(len(values)), values]
    ridge = np.eye(inputs.shape[1]) * RIDGE
    ridge[0, 0] = 1e-6
    found = np.zeros(inputs.shape[1])
    for _ in range(30):
        rate = 1 / (1 + np.exp(-inputs @ found))
        slope = inputs.T @ (weights * (rate - labels)) + ridge @ found
        bend = (inputs * (weights * rate * (1 - rate))[:, None]).T @ inputs + ridge
        found -= np.linalg.solve(bend, slope)
    return found


def main() -> None:
    """Print cross-validated accuracy, or write the weights of a fit on all rows."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--write", action="store_true")
    asked = parser.parse_args()
    rows = list(rows_of(asked.data))
    found = [evidence_of(row.response, row.prompt) for row in rows]
    names = list(next(one for one in found if one is not None))
    table = np.array([[0.0] * len(names) if one is None else list(one.values()) for one in found])
    read = np.array([one is not None for one in found])
    labels = np.array([float(row.refused) for row in rows])
    weights = np.array([row.weight for row in rows]) * read
    own = np.array([row.source in ("en", "zh") for row in rows])
    middle, spread = table[own].mean(0), np.maximum(table[own].std(0), LEAST)
    values = (table - middle) / spread
    if asked.write:
        whole = fit(values, labels, weights)
        scaled = whole[1:] / spread
        write_weights(dict(zip(names, scaled, strict=True)), float(whole[0] - scaled @ middle))
        return
    sources = np.array([row.source for row in rows])
    cross_validated = [_folds(values, labels, weights, read, seed) for seed in range(REPEATS)]
    rules = np.array([read_by_rules(row.response, row.prompt).level is Level.FULL for row in rows])
    whole = np.array([read_refusal(row.response, row.prompt).level is Level.FULL for row in rows])
    for source in dict.fromkeys(sources):
        here = (sources == source) & (weights > 0) if source not in ("en", "zh") else sources == source
        print(source, int(here.sum()))
        _tell("  rules alone", [rules], labels, here)
        _tell("  five folds ", cross_validated, labels, here)
        _tell("  as fitted  ", [whole], labels, here)


def _folds(
    values: np.ndarray, labels: np.ndarray, weights: np.ndarray, read: np.ndarray, seed: int
) -> np.ndarray:
    """Return a verdict on each row, [N] bool, from weights fitted without its fold."""
    fold = np.random.default_rng(seed).integers(0, FOLDS, len(labels))
    verdicts = np.zeros(len(labels), bool)
    for one in range(FOLDS):
        rest = fold != one
        found = fit(values[rest], labels[rest], weights[rest])
        verdicts[~rest] = found[0] + values[~rest] @ found[1:] > 0
    return verdicts & read


def _tell(title: str, verdicts: list[np.ndarray], labels: np.ndarray, here: np.ndarray) -> None:
    refused, others = here & (labels == 1), here & (labels == 0)
    right = np.mean([(one == labels)[here].mean() for one in verdicts])
    finds = np.mean([one[refused].mean() for one in verdicts]) if refused.any() else float("nan")
    clears = 1 - np.mean([one[others].mean() for one in verdicts])
    print(f"{title}  accuracy {right:.3f}  finds refusals {finds:.3f}  clears the others {clears:.3f}")


def write_weights(weights: dict[str, float], bias: float) -> None:
    """Write the module of weights."""
    lines = "".join(f'    "{name}": {value:.2f},\n' for name, value in weights.items() if round(value, 2))
    text = WEIGHTS.read_text(encoding="utf-8")
    head = text[: text.index("BIAS =")]
    table = f"WEIGHTS = {{  # feature -> log odds for each unit\n{lines}}}\n"
    WEIGHTS.write_text(f"{head}BIAS = {bias:.2f}\n{table}", encoding="utf-8")


if __name__ == "__main__":
    main()
