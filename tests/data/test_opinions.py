"""Values of a row as a whole: their names, their limits, and the rows that they belong to."""

import json
import math

import pytest

from truing.core.errors import DataError
from truing.core.records import RubricItem
from truing.data.formats import FORMATS
from truing.data.frames import settled
from truing.data.load import load_records
from truing.data.opinions import PROBABILITY
from truing.data.rows import RowError
from truing.data.stats import stats

PAIR = {"prompt": "q", "chosen": "good", "rejected": "bad"}


def read(row, name="preference"):
    return FORMATS[name].read(row)


@pytest.mark.parametrize("key", PROBABILITY)
@pytest.mark.parametrize(("given", "expected"), [(0.7, 0.7), ("0.25", 0.25), (0, 0.0), (1, 1.0)])
def test_a_probability_is_read_under_each_of_its_names(key, given, expected):
    record = read({**PAIR, key: given})
    assert record.probability == expected
    assert record.unread == ()


@pytest.mark.parametrize("given", [None, ""])
def test_a_row_without_a_probability_is_certain(given):
    assert read({**PAIR, "chosen_probability": given}).probability is None
    assert read(PAIR).probability is None


@pytest.mark.parametrize(
    ("given", "code"),
    [(1.2, "bad-probability"), (-0.1, "bad-probability"), ("70%", "bad-number"), (math.nan, "bad-number")],
)
def test_what_is_no_probability_sets_the_row_aside(given, code):
    with pytest.raises(RowError) as caught:
        read({**PAIR, "p_chosen": given})
    assert caught.value.code == code
    assert "p_chosen" in str(caught.value)


def test_the_error_names_file_and_line(tmp_path):
    path = tmp_path / "pairs.jsonl"
    rows = [PAIR, {**PAIR, "chosen_probability": 70}]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    with pytest.raises(
        DataError, match=r"pairs\.jsonl:2: bad-probability: `chosen_probability` is 70, expected"
    ):
        load_records([str(path)])


def test_the_order_of_a_ranking_has_no_single_probability():
    ranked = {"prompt": "q", "responses": ["a", "b", "c"], "scores": [1, 2, 3]}
    with pytest.raises(RowError, match="is that of two responses, this row has 3"):
        read({**ranked, "probability": 0.7}, "responses")
    two = {"prompt": "q", "responses": ["a", "b"], "scores": [1, 2], "probability": 0.7}
    assert read(two, "responses").probability == 0.7


def test_a_column_of_that_name_beside_a_single_response_is_not_read():
    record = read({"prompt": "q", "completion": "r", "probability": 7}, "prompt-completion")
    assert record.probability is None
    assert record.unread == ("probability",)


RUBRIC = [{"text": "names the year", "weight": 2, "must": True}, {"text": "is short"}, "is polite"]
CRITERIA = (RubricItem("names the year", 2.0, True), RubricItem("is short"), RubricItem("is polite"))


@pytest.mark.parametrize("row", [{"prompt": "q"}, PAIR, {"prompt": "q", "completion": "r"}])
def test_a_rubric_is_read_beside_every_format(row, tmp_path):
    path = tmp_path / "rows.jsonl"
    path.write_text(json.dumps({**row, "rubric": RUBRIC}) + "\n")
    (record,) = load_records([str(path)]).records
    assert record.rubric == CRITERIA
    assert record.unread == ()
    assert stats([record])["rubrics"] == 1


@pytest.mark.parametrize(
    "spelled",
    [
        json.dumps(RUBRIC),
        str(RUBRIC),
        {"text": ["names the year", "is short"], "weight": [2.0, math.nan], "must": [True, None]},
    ],
)
def test_a_rubric_that_went_through_a_data_frame_is_read(spelled):
    assert read(settled({"prompt": "q", "rubric": spelled}), "prompt").rubric[:2] == CRITERIA[:2]


def test_what_is_no_rubric_sets_the_row_aside_with_file_and_line(tmp_path):
    path = tmp_path / "rows.jsonl"
    rows = [{"prompt": "q"}, {"prompt": "q", "rubric": ["a", {"text": "b", "wieght": 2}]}]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    with pytest.raises(DataError, match=r"rows\.jsonl:2: bad-rubric: criterion 2 has 'wieght'; known: text"):
        load_records([str(path)])


@pytest.mark.parametrize("given", ["be nice", [], None])
def test_words_alone_are_no_rubric(given):
    record = read({"prompt": "q", "rubric": given}, "prompt")
    assert record.rubric == ()
    assert record.unread == (("rubric",) if given == "be nice" else ())


def test_stats_count_labels_that_are_not_certain():
    records = [read({**PAIR, "chosen_probability": p}) for p in (None, 1, 0.5)]
    assert stats(records)["soft_labels"] == 1
