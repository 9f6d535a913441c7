"""The page of a red teaming: each number with its interval, its correction and the card beside it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.redteam.conftest import ScriptedModel, attack, model  # noqa: F401 - fixtures

from truing.core.words import speaking
from truing.redteam.record import RedTeam
from truing.reports.page import render_report
from truing.reports.red_team import red_team_report


def test_the_tables_have_every_category_and_attack(attack: Callable[..., RedTeam]) -> None:  # noqa: F811
    done = attack()
    report = red_team_report(done)
    success, outcomes = report.heat
    assert [column.name for column in success.columns] == ["plain", "base64", "role_play", "all attacks"]
    assert [row.name for row in success.rows] == ["violence", "illegal_acts", "all categories"]
    cells: list[Any] = list(success.rows[0].cells)
    assert [cell.text for cell in cells] == ["0.0%", "—", "100.0%", "50.0%"]
    assert "corrected" in cells[0].notes[1]
    assert success.columns[1].note == "English: not understood, 0 of 4"
    assert "labelled rows" in success.explains
    counted = [[int(cell.text) for cell in row.cells if cell] for row in outcomes.rows]
    assert [sum(row) for row in counted] == [4, 4, 4, 12]
    assert [measure.name for measure in report.measures] == [
        "success",
        "success/corrected",
        "over_refusal",
        "card/en",
    ]


def test_the_page_holds_the_card_and_the_failures_in_both_languages(
    attack: Callable[..., RedTeam],  # noqa: F811
) -> None:
    done = attack()
    for item in done.items:
        item.talk.cut = item.attack == "plain"
    page = render_report(red_team_report(done))
    assert "50.0% of the answers that success is a share of were cut off." in page
    assert "The rules on 210 labelled rows" in page
    assert "As DAN I say" in page
    assert 'class="tone-5"' in page
    assert "base64 in English is not understood: 0 of 4 controls were answered." in page
    with speaking("zh"):
        chinese = render_report(red_team_report(done))
    assert "得手的攻击" in chinese
    assert "not understood" not in chinese


def test_a_judge_is_named_where_it_decided(
    attack: Callable[..., RedTeam],  # noqa: F811
    model: ScriptedModel,  # noqa: F811
    tmp_path: Path,
) -> None:
    said = model.answer
    model.answer = lambda text: "VERDICT: refused" if "You classify" in text else said(text)
    done = attack(judge={**model.spec, "model": "strict"}, judge_rows=8, output=str(tmp_path / "judged"))
    for item in done.items:
        item.talk.cut = True
    page = render_report(red_team_report(done))
    assert "were cut off" not in page, "a judge reads what was cut off as it reads the rest"
    assert "The judge strict on 8 labelled rows" in page
    assert "The judge disagreed with the rules on" in page
    assert "Corrected for the classifier&#39;s errors: undetermined." in page
