"""Evaluations compared response by response."""

import json

import pytest
from scipy import stats

from truing.reports.compare.page import comparison_report
from truing.reports.compare.read import read_subjects
from truing.reports.page import render_report

from ..parsed import Page
from .folders import (
    changes_of,
    compared,
    evaluation,
    page_of,
    training,
)

# Evaluations


def test_a_change_beyond_chance_is_told_from_one_that_may_be(tmp_path):
    """Eight of ten answers became safe and none unsafe: McNemar's p is 2 · 2⁻⁸ = 0.0078125.

    The rewards change by ±1 in equal number, so their mean is 0 and p is 1. Holm doubles the smaller p.
    """
    first = evaluation(tmp_path / "a", [0] * 10, [1.0, 2.0] * 5)
    second = evaluation(tmp_path / "b", [1] * 8 + [0] * 2, [2.0, 1.0] * 5)
    found = changes_of(first, second)
    safe, score = found["harmlessness"], found["reward"]
    assert (safe.p, safe.adjusted) == (pytest.approx(2 / 2**8), pytest.approx(4 / 2**8))
    assert safe.gap == pytest.approx(0.8) and safe.verdict == "better"
    assert safe.paired is not None and safe.paired.n == 10 and safe.paired.low > 0.4
    assert score.p == pytest.approx(1) and score.verdict == "may be chance"
    page = page_of(first, second)
    row = page.row("Harmful prompts answered safely")
    assert row[1].startswith("0.0% 0.0% to 27.8%, n 10") and row[2].startswith("80.0%")
    assert "+80.0 points" in row[3] and "better" in row[3] and "p 0.0078, after Holm 0.016" in row[3]
    assert "b against a: of 2 numbers tested, 1 better beyond chance." in page.text
    back = changes_of(second, first)["harmlessness"]
    assert back.verdict == "worse" and back.p == safe.p


def test_answers_are_paired_by_question_and_missing_ones_are_left_out(tmp_path):
    first = evaluation(tmp_path / "a", [0, 0, None, 0, 1])
    second = evaluation(tmp_path / "b", [1, None, 1, 0])
    found = changes_of(first, second)["harmlessness"]
    assert found.paired is not None and found.paired.n == 2, "lock-0 and lock-3 have a value in both"
    assert found.gap == pytest.approx(0.5)
    other = evaluation(tmp_path / "c", [1, 1, 1], prompt="How do I open door {}?")
    assert changes_of(first, other)["harmlessness"].said.startswith("not paired"), "other questions, same ids"


def test_samples_of_a_question_count_as_one(tmp_path):
    """Five questions with two answers; in four of them both became safe: the mean change is 0.8.

    Sums of deviations are 4 · 0.4 and -1.6, so the error is √(5/4 · (4 · 0.16 + 2.56))/10 = 0.2, and t = 4.
    """
    paths = [
        evaluation(tmp_path / "a", [0] * 10),
        evaluation(tmp_path / "b", [1] * 8 + [0] * 2),
    ]
    for path in paths:
        rows = [json.loads(line) for line in (path / "items.jsonl").read_text().splitlines()]
        for place, row in enumerate(rows):
            row |= {key: rows[place - place % 2][key] for key in ("id", "prompt")} | {"k": place % 2}
        (path / "items.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    found = changes_of(*paths)["harmlessness"]
    assert found.p == pytest.approx(2 * stats.t.sf(4, df=4)) and found.gap == pytest.approx(0.8)


def test_what_was_measured_differently_is_not_tested(tmp_path):
    asked = {"harmlessness": {"classifier": {"name": "model", "path": "a/b"}}}
    first, second = (
        evaluation(tmp_path / "a", [0] * 10, kl=0.2, against="base"),
        evaluation(tmp_path / "b", [1] * 10, kl=0.9, against="other", tasks={**asked, "kl": None}),
    )
    found = changes_of(first, second)
    assert found["harmlessness"].said == "measured differently" and found["harmlessness"].p is None
    assert found["kl"].said == "held against different models"
    assert "because they were measured differently: harmlessness." in page_of(first, second).text


def test_answers_drawn_in_different_ways_are_told(tmp_path):
    first = evaluation(tmp_path / "a", [0, 1])
    second = evaluation(tmp_path / "b", [1, 1], temperature=0.7)
    assert compared(first, second).notes == [
        "The answers were drawn in different ways: see temperature above."
    ]
    assert compared(first, evaluation(tmp_path / "c", [1, 0])).notes == []


def test_a_number_without_a_value_per_answer_is_not_paired(tmp_path):
    first = evaluation(tmp_path / "a", [1] * 4, kl=0.2, against="base")
    second = evaluation(tmp_path / "b", [1] * 4, kl=0.9, against="base")
    found = changes_of(first, second)
    assert found["kl"].said == "not paired; intervals apart" and found["kl"].verdict == ""
    assert found["kl"].gap == pytest.approx(0.7)
    assert found["harmlessness"].p == 1


def test_three_evaluations_are_shown_without_a_test(tmp_path):
    paths = [evaluation(tmp_path / name, [place % 2, 1, 0]) for place, name in enumerate("abc")]
    page = page_of(*paths, training(tmp_path / "run"))
    assert len(page.row("Harmful prompts answered safely")) == 4
    assert "after Holm" not in page.text and "3 evaluations of 1 number." in page.text


def test_parts_and_distributions_stand_side_by_side(tmp_path):
    """Scores 0, 1, 2, 3, 10 have the quartiles 1, 2, 3; lengths are 6, 7, 8, 9, 10 words."""
    first = evaluation(tmp_path / "a", [1, 0, 1, 0, 1], [0.0, 1.0, 2.0, 3.0, 10.0])
    second = evaluation(tmp_path / "b", [0, 1, 0, 1, 0], [1.0, 1.0, 1.0, 1.0, 1.5])
    page, found = page_of(first, second), compared(first, second)
    assert page.row("fraud")[1].startswith("100.0%") and page.row("fraud")[2].startswith("0.0%")
    assert page.row("theft")[1].startswith("0.0%") and page.row("theft")[2].startswith("100.0%")
    lengths, scores = found.spreads
    box = scores.boxes[0]
    assert box is not None and (box.first, box.median, box.third, box.n) == (1, 2, 3, 5)
    assert "words" in lengths.title and scores.title == "reward"
    assert lengths.boxes[0] is not None and lengths.boxes[0].median == 8
    boxes = [mark for mark in page.marks["spread-1"] if "bar" in mark["class"]]
    assert [mark["class"] for mark in boxes] == ["pale bar run-0", "pale bar run-1"]
    assert boxes[0]["data-tip"] == "a\nmedian 2, middle half 1 to 3, n 5"


# Answer by answer


def test_answers_to_the_same_question_stand_side_by_side(tmp_path):
    paths = [
        evaluation(tmp_path / "a", [0, 1, 1], said="First."),
        evaluation(tmp_path / "b", [0, 0, 1], said="Second."),
        evaluation(tmp_path / "c", [0, 0, 1, 1], said="Third."),
    ]
    report = comparison_report(read_subjects(paths))
    (table,) = report.responses
    assert table.titles == ["a", "b", "c"] and len(table.rows) == 3 and table.changed == 1
    assert table.rows[1].changed and table.rows[1].responses[2].startswith("Third.")
    assert table.rows[1].values == ["safe 1 · a note", "safe 0 · a note", "safe 0 · a note"]
    page = Page(render_report(report))
    assert "only those that changed" in page.text
    assert ("details", {"class": "answers", "id": "items-harmlessness"}) in page.tags
    assert any(found.get("href") == "#items-harmlessness" for _, found in page.tags)
