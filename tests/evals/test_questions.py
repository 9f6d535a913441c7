"""The identity of questions: the same rows are the same questions, however their file is written."""

import json

import pytest

from truing.evals.questions import from_rows

ROWS = [{"prompt": f"What is {number} + 1?"} for number in range(3)]


@pytest.mark.parametrize("indent", [None, 1])
def test_a_question_is_its_files_name_and_its_rows_number(tmp_path, indent):
    (tmp_path / "q.json").write_text(json.dumps(ROWS, indent=indent))
    assert [question.id for question in from_rows([str(tmp_path / "q.json")])] == [
        "q.json:1", "q.json:2", "q.json:3",
    ]  # fmt: skip


def test_two_files_of_one_name_hold_different_questions(tmp_path):
    for folder in "ab":
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "q.jsonl").write_text(json.dumps(ROWS[0]) + "\n")
    found = from_rows([str(tmp_path / folder / "q.jsonl") for folder in "ab"])
    assert [question.id for question in found] == ["q.jsonl:1", "q.jsonl(2):1"]
    assert found[0].place.endswith("a/q.jsonl:1")
