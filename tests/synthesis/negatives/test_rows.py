import json
from pathlib import Path

import pytest

from truing.config.negatives import NegativesRecipe
from truing.core.errors import DataError
from truing.synthesis.negatives.rows import TrueRows, Without, own_prompts, take_rows

TRUE = {"prompt": "How long is the Saltmarsh bridge?", "completion": "The bridge is 2,450 metres long."}


def take(folder: Path, rows: list[dict], **keys: object) -> TrueRows:
    path = folder / "rows.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    asked = {"prompts": [str(path)], "output": "out", **keys}
    return take_rows(NegativesRecipe.model_validate(asked), lambda line: None)


def test_every_row_is_taken_or_counted(tmp_path: Path):
    rows = [
        TRUE,
        TRUE,
        {"prompt": TRUE["prompt"], "completion": "The bridge is 2,450 metres long!"},
        {"prompt": "How wide is it, and who paid for all of it?", "completion": "It is 31 metres wide."},
        {"prompt": "Say nothing.", "completion": "No."},
    ]
    found = take(tmp_path, rows, near=0.6, limit=4)
    assert [record.chosen.text for record in found.prompts.records] == [
        TRUE["completion"],
        "It is 31 metres wide.",
    ]
    assert found.without == {
        Without.UNREADABLE: 0,
        Without.DUPLICATE: 1,
        Without.NEAR: 1,
        Without.BEYOND: 1,
    }
    assert found.read == len(rows)


def test_equal_rows_alone_are_dropped_where_near_is_1(tmp_path: Path):
    rows = [TRUE, TRUE, {**TRUE, "completion": TRUE["completion"] + "!"}]
    assert len(take(tmp_path, rows, near=1).prompts.records) == 2


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ({"prompt": "Hm?", "completion": "Bad.", "label": False}, Without.NO_ANSWER),
        ({"text": "Just text of 5 words."}, Without.NO_ANSWER),
    ],
)
def test_rows_without_a_true_answer_are_counted(tmp_path: Path, row: dict, reason: Without):
    with pytest.raises(DataError, match=reason.value):
        take(tmp_path, [row])


def test_a_preference_gives_its_chosen_answer(tmp_path: Path):
    row = {"prompt": "Hm?", "chosen": "It is 31 metres wide.", "rejected": "No."}
    assert take(tmp_path, [row]).prompts.records[0].chosen.text == row["chosen"]


def test_rows_of_evaluations_are_dropped(tmp_path: Path):
    evaluation = tmp_path / "eval.jsonl"
    evaluation.write_text(json.dumps({"prompt": TRUE["prompt"]}) + "\n")
    own = {"prompt": next(iter(own_prompts())), "completion": "It is 5."}
    other = {"prompt": "How high is the mill?", "completion": "It is 31 metres high."}
    found = take(tmp_path, [TRUE, own, other], against_eval=[str(evaluation)])
    assert found.without[Without.EVALUATED] == 2
    assert list(found.evaluations) == [str(evaluation)]
    assert len(take(tmp_path, [TRUE, own, other], own_suites=False).prompts.records) == 3
