"""Distance that a model moved, and its price: perplexities by hand, and on the tiny models."""

import math
from pathlib import Path

import numpy as np
import pytest

from truing.evals.bench import Bench
from truing.evals.drift import Perplexity
from truing.evals.sides import Side
from truing.evals.tasks.moved import kl, perplexity_ratio, relative_perplexity, tax
from truing.models.trained import load_trained
from truing.sampling.speaker import Speaker


def side(folder: Path) -> Side:
    return Side(str(folder), lambda: Speaker.of(load_trained(str(folder))))


def measured(*nll: float, tokens: int = 10) -> Perplexity:
    counts = np.array([tokens] * len(nll))
    return Perplexity(float(np.exp(sum(nll) / counts.sum())), np.array(nll), counts)


def test_the_ratio_of_perplexities_is_paired_over_texts():
    """Each text costs 1 nat more over its 10 tokens: e^0.1, whatever the texts cost before."""
    before = measured(10.0, 20.0, 30.0)
    found = perplexity_ratio(before, measured(11.0, 21.0, 31.0))
    assert found.estimate == pytest.approx(math.exp(0.1)) == found.low == found.high
    relative = relative_perplexity([measured(11.0, 21.0, 31.0), before])
    assert relative.against is not None and relative.against.interval is not None
    assert relative.against.interval.estimate == 1.0 and relative.number.unit == "x"


def test_of_one_model_the_perplexity_is_absolute():
    alone = relative_perplexity([measured(10.0, 20.0, 30.0)])
    assert alone.policy.interval is not None and alone.number.unit == ""
    assert alone.policy.interval.estimate == pytest.approx(math.exp(2.0))


def test_a_moved_model_is_away_from_its_start_and_a_model_not_from_itself(
    model_folder: Path, moved_folder: Path
):
    task = kl(["en"], max_new_tokens=4)
    assert task.needs_against
    found = {
        name: task.run(Bench(side(folder), side(model_folder))).findings[0].policy.interval
        for name, folder in (("moved", moved_folder), ("same", model_folder))
    }
    assert found["moved"] is not None and found["moved"].low > 0
    assert found["same"] is not None and found["same"].estimate == pytest.approx(0, abs=1e-6)


def test_neutral_text_of_ones_own_is_what_costs(model_folder: Path, tmp_path: Path):
    rows = tmp_path / "rows.jsonl"
    rows.write_text('{"prompt": "a", "completion": "Bread is baked from flour."}\n' * 3)
    perplexity, choices = tax(["en"], rows=[str(rows)]).run(Bench(side(model_folder))).findings
    assert perplexity.policy.interval is not None and perplexity.policy.interval.n == 3
    assert choices.policy.interval is not None and 0 <= choices.policy.interval.estimate <= 1
