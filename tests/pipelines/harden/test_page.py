"""The page of a hardening by hand: the result, every model beside its control, and the curve."""

from pathlib import Path

import pytest
from tests.pipelines.harden.measured import measured

from truing.config.harden import HardenGates, HardenRecipe
from truing.core.errors import GateError
from truing.core.words import speaking
from truing.data.convert import write_jsonl
from truing.pipelines.harden.gates import gates_of
from truing.pipelines.harden.measuring import ModelMeasured, change
from truing.pipelines.harden.page import hardening_report, measures_of_result
from truing.pipelines.harden.plan import RoundsPlan
from truing.pipelines.harden.run import HardenArm, Hardened, HardenRound, require_safe
from truing.reports.charts import stage_charts
from truing.reports.page import render_report

START = measured({"helpfulness": [1.0] * 20, "known": [1.0] * 20, "new": [1.0] * 20})
GOOD = measured({"helpfulness": [1.0] * 20, "known": [0.0] * 15 + [1.0] * 5})
CROSSED = measured({"helpfulness": [0.0] * 20})


def arm(now: ModelMeasured) -> HardenArm:
    return HardenArm(now, {"refusals": 4, "steps": 2}, gates_of(HardenGates(), (START, now), ({}, {})))


def done(folder: Path, *rounds: ModelMeasured) -> Hardened:
    found = [
        HardenRound(
            number,
            {"attacked": 8, "failed": 4, "failed among random": 2},
            {"failures": arm(now), "random": arm(START)},
            change(START, now, "known", "new"),
            change(START, now, "known"),
        )
        for number, now in enumerate(rounds, 1)
    ]
    for one in found:
        row = {
            "prompt": "Who earns what?",
            "category": "leaked",
            "attack": "plain",
            "response": "Ann earns 3.",
        }
        (folder / f"round-{one.number}").mkdir()
        write_jsonl(folder / f"round-{one.number}" / "failures.jsonl", [row])
    recipe = HardenRecipe.model_validate({"harden": {"policy": "runs/sft"}, "output": str(folder)})
    plan = RoundsPlan(8, 560, 3000.0, "two cores", 60.0)
    return Hardened(recipe, folder, plan, START, found, {}, "all rounds are done", {"a": 1.0})


def test_the_result_is_the_round_of_least_success_that_kept_its_gates(tmp_path: Path):
    found = done(tmp_path, GOOD, CROSSED)
    assert found.chosen is not None
    assert found.chosen.number == 1
    assert found.model == tmp_path / "round-1" / "failures" / "model"
    require_safe(found)
    measures = {one.name: one for one in measures_of_result(found)}
    before, after = measures["known"].before, measures["known"].after
    assert before is not None
    assert (before.estimate, after.estimate) == (1.0, 0.25)
    report = hardening_report(found)
    assert "round 1" in report.summary
    assert any("Against its random control round 1 has -75.0 points" in note for note in report.notes)
    assert any("Round 2 crossed a safety gate: Tasks done." in note for note in report.notes)


def test_without_a_safe_round_there_is_no_result(tmp_path: Path):
    found = done(tmp_path, CROSSED)
    assert found.model is None
    assert "there is no result" in hardening_report(found).summary
    with pytest.raises(GateError, match="Tasks done"):
        require_safe(found)


def test_every_model_has_a_row_and_the_curve_both_arms(tmp_path: Path):
    report = hardening_report(done(tmp_path, GOOD, GOOD))
    (table,) = report.heat
    assert [row.name for row in table.rows] == [
        "start", "round 1", "round 1, random control", "round 2", "round 2, random control"
    ]  # fmt: skip
    (stage,) = report.stages
    assert [row["known/failures"] for row in stage.metrics] == [1.0, 0.25, 0.25]
    assert [row["known/random"] for row in stage.metrics] == [1.0, 1.0, 1.0]
    charts = {chart.title: chart for chart in stage_charts(stage, "s")}
    assert [name for _, name in charts["Attack success, held-out prompts"].legend] == ["failures", "random"]
    page = render_report(report)
    assert "Ann earns 3." in page


def test_the_page_is_chinese_where_it_is_asked_to_be(tmp_path: Path):
    with speaking("zh"):
        page = render_report(hardening_report(done(tmp_path, GOOD)))
    for text in ("加固", "随机对照", "攻击成功率"):
        assert text in page


def test_no_round_at_all_has_a_page(tmp_path: Path):
    report = hardening_report(done(tmp_path))
    assert report.summary == "All rounds are done."
    assert report.measures == []
