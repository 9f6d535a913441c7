"""Win rates against those that AlpacaEval 2 published for 28 models, where its annotations are at hand."""

import gzip
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from truing.stats.win_rate import Judged, alpaca_win_rate, length_controlled

ANNOTATIONS = Path(__file__).parents[3] / "shared/data/alpaca_annotations.json.gz"

pytestmark = pytest.mark.skipif(not ANNOTATIONS.exists(), reason=f"{ANNOTATIONS.name} is not shipped")


@pytest.fixture(scope="module")
def models() -> dict[str, Any]:
    return json.loads(gzip.decompress(ANNOTATIONS.read_bytes()))


def judged(model: dict[str, Any]) -> list[Judged]:
    columns = (model[key] for key in ("prompt", "preference", "length", "baseline_length"))
    return [
        Judged(prompt, None if given is None else given - 1, length, baseline)
        for prompt, given, length, baseline in zip(*columns, strict=True)
    ]


def test_raw_rates_are_the_published_ones(models: dict[str, Any]) -> None:
    for name, model in models.items():
        found = alpaca_win_rate(judged(model))
        published = model["leaderboard"]
        assert found.win_rate == pytest.approx(published["win_rate"], abs=1e-3), name
        assert found.standard_error == pytest.approx(published["standard_error"], abs=1e-3), name
        assert found.discrete_win_rate == pytest.approx(published["discrete_win_rate"], abs=1e-3), name


def test_rates_at_equal_length_agree_with_the_published_ones(models: dict[str, Any]) -> None:
    """In points. The mean shows that they are neither too high nor too low as a whole."""
    apart = np.array(
        [
            100 * length_controlled(judged(model), draws=2).interval.estimate
            - model["leaderboard"]["length_controlled_winrate"]
            for model in models.values()
        ]
    )
    assert len(apart) == 28
    assert np.abs(apart).mean() < 1.2
    assert np.abs(apart).max() < 5
    assert abs(apart.mean()) < 0.6
