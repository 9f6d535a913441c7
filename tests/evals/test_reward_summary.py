"""The record of a reward model's quality: written, read again, and refused where it contradicts itself."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from truing.core.errors import DataError
from truing.evals.reward_summary import Bin, Correlation, MarginBars, RewardSummary, percent
from truing.stats.intervals import Interval

HALF = Interval(0.5, 0.25, 0.75, 8)
SUMMARY = RewardSummary(
    rows=4,
    responses=8,
    mean_score=1.25,
    pairs=8,
    accuracy=HALF,
    ties=1,
    mean_margin=0.5,
    ece=0.1,
    reliability=(Bin(0.75, HALF),),
    margin_histogram=MarginBars((2, 0, 4, 2), (-2.0, -1.0, 0.0, 1.0, 2.0)),
    length=Correlation(0.3, 0.2),
    row_score=None,
    categories={"help": HALF},
)


def test_what_is_written_is_read_again(tmp_path: Path):
    path = tmp_path / "reward.json"
    path.write_text(json.dumps(SUMMARY.as_json()))
    again = RewardSummary.read(path)
    assert again.as_json() == json.loads(path.read_text())
    path.write_text(json.dumps({**SUMMARY.as_json(), "rows": "many"}))
    with pytest.raises(DataError, match="is no summary of a reward model: rows"):
        RewardSummary.read(path)


def test_numbers_of_pairs_and_no_pairs_contradict_each_other():
    with pytest.raises(ValueError, match="and 0 pairs are given"):
        replace(SUMMARY, pairs=0)
    with pytest.raises(ValueError, match="3 edges do not enclose 4 bars"):
        MarginBars((1, 1, 1, 1), (-1.0, 0.0, 1.0))


def test_lines_hold_every_number():
    text = "\n".join(SUMMARY.lines())
    for part in (
        "8 responses of 4 rows",
        "accuracy 50.0% (25.0% to 75.0%, n 8)",
        "8 pairs, 1 ties",
        "75% sure",
    ):
        assert part in text
    assert percent(HALF) == "50.0% (25.0% to 75.0%, n 8)"


def test_bars_are_as_long_as_their_counts():
    first, second = SUMMARY.margin_histogram.lines()
    assert (first.count("\u2588"), second.count("\u2588")) == (10, 30)
    assert first.strip().startswith("-2.00") and second.endswith(" 6")


def test_a_constant_has_no_correlation():
    assert "one of them does not vary" in Correlation(None, None).told("{found}")
    assert Correlation(0.5, 0.25).told("x: {found}") == "x: Pearson 0.50, Spearman 0.25"
