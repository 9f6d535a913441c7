"""Flags of verbs that make rows become keys of their recipe."""

from datetime import UTC, datetime

import pytest

from truing.cli.work import asked_in, role, roles, show_report
from truing.config.constitution import ConstitutionRecipe
from truing.config.feedback import FeedbackRecipe
from truing.config.judging import JudgingRecipe
from truing.config.negatives import NegativesRecipe
from truing.config.red_team import RedTeamRecipe
from truing.config.refusals import RefusalsRecipe
from truing.config.section import Section
from truing.config.work import load_work
from truing.core.errors import UsageError
from truing.reports.records import Alarm, Report


def test_a_file_of_prompts_and_flags():
    path, overrides = asked_in("p.jsonl", ["k=2"], policies=["m"], judge=None, output="out")
    assert path is None
    assert overrides == ['prompts=["p.jsonl"]', 'policies=["m"]', 'output="out"', "k=2"]


def test_a_recipe_gives_the_prompts_itself():
    path, overrides = asked_in("r.yaml", None, policies=[], output=None)
    assert str(path) == "r.yaml"
    assert overrides == []


def test_roles_are_names_or_mappings():
    assert roles(["runs/a", "{name: server, model: q}"]) == ["runs/a", {"name": "server", "model": "q"}]
    with pytest.raises(UsageError, match="is no mapping"):
        role("{name: [")


@pytest.mark.parametrize(
    ("kind", "key", "flags", "folder"),
    [
        (FeedbackRecipe, "prompts", {"policies": ["m"], "judge": "j"}, "feedback"),
        (ConstitutionRecipe, "prompts", {"policy": "m"}, "constitution"),
        (NegativesRecipe, "prompts", {}, "negatives"),
        (RefusalsRecipe, "prompts", {}, "refusals"),
        (JudgingRecipe, "rows", {"judges": ["m"]}, "judged"),
        (RedTeamRecipe, "model", {}, "red-team"),
    ],
)
def test_a_verb_without_output_has_a_folder(kind: type[Section], key: str, flags: dict, folder: str):
    path, overrides = asked_in("p.jsonl", None, key, **flags, output=None)
    assert load_work(kind, path, overrides).model_dump()["output"] == folder


def test_a_report_without_numbers_has_no_table(capsys: pytest.CaptureFixture[str]):
    alarm = Alarm("Bias", None, "the first place wins", "ask another")
    show_report(Report("t", datetime.now(UTC), "c", "No rows.", notes=["A note."], alarms=[alarm]))
    out, told = capsys.readouterr()
    assert out == ""
    assert told.splitlines() == ["No rows.", "warning: the first place wins", "A note."]
