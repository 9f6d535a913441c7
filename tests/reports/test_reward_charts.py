"""The charts of a reward model on held-out pairs."""

import math

import pytest

from .runs import REWARD_JSON, page_of


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


def test_rows_without_pairs_have_no_charts_of_pairs(run_folder):
    nothing = {"pairs": 0, "accuracy": None, "mean_margin": None, "ece": None, "ties": 0, "categories": {}}
    rest = {"reliability": [], "row_score": {"pearson": 0.61, "spearman": 0.55}, "step": None}
    page = page_of(run_folder(reward=REWARD_JSON | nothing | rest))
    assert "On held-out rows its scores and the rows' own correlate by 0.61." in page.text
    assert page.row("Correlation with the rows' own scores")[1] == "+0.61 Pearson; Spearman +0.55"
    assert not [row for row in page.cells if row and row[0].startswith(("Accuracy", "Mean margin"))]
    assert "reward-margins" not in page.plots and "Accuracy by category" not in page.headings
