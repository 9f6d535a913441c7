"""The page of refusals says the balance, and warns where it is not reached."""

from collections import Counter
from pathlib import Path

from tests.redteam.failed import failure, headlines, write

from truing.config.refusals import RefusalsRecipe
from truing.core.records import Message
from truing.redteam.declining import BY_HAND, Decline
from truing.redteam.failures import read_failures
from truing.redteam.harmless import harmful_forms
from truing.redteam.refusals import Refusals
from truing.reports.refusals import refusals_report
from truing.sampling.roles import LocalRole


def made(tmp_path: Path) -> Refusals:
    (one,) = headlines("train", "en", 1)
    path = write(tmp_path / "f.jsonl", [failure(one, "prefix"), failure(one, "prefix")])
    failures = read_failures([str(path)], lambda line: None)
    forms = harmful_forms(failures.failed, ("plain", "attacked"))
    done = Refusals(
        RefusalsRecipe.model_validate({"prompts": [str(path)], "output": str(tmp_path)}),
        tmp_path,
        LocalRole("runs/mine", None),
        "runs/mine",
        failures,
        forms,
        [Decline(one.refusal, BY_HAND) for _ in forms],
        Counter({"too long": 1}),
        [],
    )
    done.sft += [{"prompt": [Message("user", one.harmful).as_dict()]} for _ in forms]
    return done


def test_the_summary_and_the_notes_say_what_was_asked_and_what_came(tmp_path: Path):
    done = made(tmp_path)
    report = refusals_report(done)
    assert report.summary.startswith("2 refusals of 1 failures, and 0 retained answers")
    assert "0.00 answers are retained for each refusal" in report.summary
    assert any("over-refusal may grow" in note for note in report.notes)
    assert any("1 too long" in note for note in report.notes)
    done.retain += done.sft * 2
    assert not any("over-refusal" in note for note in refusals_report(done).notes)


def test_every_form_is_shown_and_every_row_counted(tmp_path: Path):
    report = refusals_report(made(tmp_path))
    (table,) = report.made
    assert [row.overline.split(" · ")[1] for row in table.rows] == ["plain", "prefix"]
    first = report.data[0]
    assert (first.read, first.kept, first.why) == (2, 1, "1 repeated")
