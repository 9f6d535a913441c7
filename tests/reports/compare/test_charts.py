"""The charts of several runs: a line for each, the frontier, and where they ended."""

import math
import re
from importlib import resources

import pytest

from truing.reports.compare.charts import MOST_POINTS, thinned
from truing.reports.compare.records import MOST

from .folders import ONLINE, compared, evaluation, page_of, training

# Curves and the frontier


def test_a_panel_has_a_line_for_each_run_in_its_own_colour(tmp_path):
    held = {"eval/loss": 0.6}
    first = training(
        tmp_path / "a", metrics=[{"loss": 0.7, **held}, {"loss": math.nan}, {"loss": 0.5, **held}]
    )
    second = training(tmp_path / "b", metrics=[{"loss": 0.7}, {"loss": 0.4}])
    page = page_of(first, evaluation(tmp_path / "e", [1, 0]), second)
    assert [(line["name"], line["ys"], line["tone"]) for line in page.lines["curve-0"]] == [
        ("a loss", [0.7, 0.5], "run-0"),
        ("b loss", [0.7, 0.4], "run-2"),
        ("a eval/loss", [0.6, 0.6], "run-0"),
    ]
    drawn = [mark["class"] for mark in page.marks["curve-0"] if mark["class"].startswith("curve")]
    assert drawn == ["curve solid run-0", "curve solid run-2", "curve dotted run-0"]
    assert "loss solid, eval/loss dotted (1 values not finite)" in page.text
    assert page.row("loss")[1:] == ["0.5", "0.4"], "two steps have no tenth: the last one"
    assert page.row("eval/loss")[1:] == ["0.6", "—"]
    assert "numbers" not in page.sections(), "one evaluation alone is not compared"


def test_every_run_has_a_colour_of_its_own():
    style = resources.files("truing.reports").joinpath("templates", "tokens.css").read_text()
    colours = dict(re.findall(r"\.(run-\d) \{ --run: (#\w+); \}", style))
    assert list(colours) == [f"run-{place}" for place in range(MOST)]
    assert len(set(colours.values())) == MOST


def test_the_frontier_has_a_path_for_each_run_that_logs_both(tmp_path):
    rewards = {"rewards": [{"name": "numeric"}], "method": "grpo"}
    broken = [*ONLINE[:2], {"kl": 0.5}, {"kl": math.inf, "reward": 1.0}]
    paths = [
        training(tmp_path / "a", metrics=ONLINE, **rewards),
        training(tmp_path / "b"),
        training(tmp_path / "c", metrics=broken, **rewards),
    ]
    page, found = page_of(*paths), compared(*paths).frontier
    assert found is not None and found.same_rewards and not found.held_out
    assert [len(path) for path in found.paths] == [4, 0, 2]
    drawn = [mark for mark in page.marks["frontier"] if "data-tip" in mark]
    assert [mark["class"] for mark in drawn] == ["dot full run-0"] * 4 + ["dot full run-2"] * 2
    assert drawn[0]["data-tip"] == "a\nstep 1: reward 1 at 0.01 nats"
    assert ["d" in mark for mark in drawn] == [False, False, False, True, False, True], "diamonds end paths"
    assert "the prompts trained on, not of held-out ones" in page.text
    assert compared(*paths[:2]).frontier is None


def test_held_out_rewards_are_taken_where_every_run_has_them(tmp_path):
    evaluated = [row | {"eval/reward": 10 * row["reward"]} for row in ONLINE]
    first = training(tmp_path / "a", method="grpo", metrics=evaluated, rewards=[{"name": "numeric"}])
    second = training(tmp_path / "b", method="grpo", metrics=evaluated, rewards=[{"name": "maths"}])
    found = compared(first, second).frontier
    assert found is not None and found.held_out and not found.same_rewards
    assert [point.reward for point in found.paths[0]] == [10, 20, 30, 40]
    assert "trained on different rewards" in page_of(first, second).text
    third = training(tmp_path / "c", method="grpo", metrics=ONLINE, rewards=[{"name": "numeric"}])
    found = compared(first, third).frontier
    assert found is not None and not found.held_out


@pytest.mark.parametrize("length", [1, 2, MOST_POINTS, MOST_POINTS + 1, 10 * MOST_POINTS])
def test_a_long_path_keeps_its_ends(length):
    kept = thinned(length)
    assert (kept[0], kept[-1]) == (0, length - 1) and len(kept) <= MOST_POINTS + 1
    assert kept == sorted(set(kept))
