import json
from pathlib import Path

import pytest

from truing.core.errors import DataError, StorageError
from truing.store.answers import PairAnswer, RatingsAnswer
from truing.store.exchange import VoteRow
from truing.store.foreign import read_votes_file, settings_for
from truing.store.items import Candidate, NewItem

PAIR = {"prompt": "q", "answer1": "a", "answer2": "b"}
TASK = {
    "data": {"text1": "a", "text2": "b"},
    "annotations": [{"result": [{"from_name": "p", "type": "pairwise", "value": {"selected": "left"}}]}],
}
RECORD = {"text": "q", "response1": "a", "response2": "b", "best.responses": ["response2"]}


def test_files_are_recognised_by_their_keys(tmp_path: Path):
    path = tmp_path / "votes.jsonl"
    rows = [{**PAIR, "chosen": "b", "rejected": "a"}, PAIR, TASK, RECORD]
    path.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    found = read_votes_file(path)
    answers = [PairAnswer("second"), None, PairAnswer("first"), PairAnswer("second")]
    assert [row.answer for row in found] == answers
    assert found[0].person == "imported"
    assert found[1].place == "votes.jsonl:2"
    path.write_text("\ufeff" + json.dumps(rows), encoding="utf-8")
    assert [row.answer for row in read_votes_file(path)] == answers


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("{", "is no JSON"),
        ("[1]", "row 1 is no object"),
        ("[]", "holds no rows"),
        ('{"prompt": "q", "chosen": "a"}', "of no tool that truing knows; its keys are prompt, chosen"),
        (json.dumps({**PAIR, "chosen": "c"}), "neither answer1 nor answer2"),
        ('{"data": {"text1": "a", "text2": "b"}, "annotations": [{"result": [{}]}]}', "says nothing"),
        ('{"data": 1, "annotations": []}', "is not as expected"),
    ],
)
def test_another_file_is_an_error(tmp_path: Path, content: str, told: str):
    path = tmp_path / "votes.json"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(DataError, match=told):
        read_votes_file(path)


def test_a_file_that_is_not_there_is_an_error(tmp_path: Path):
    with pytest.raises(StorageError, match="cannot be read"):
        read_votes_file(tmp_path / "votes.json")


def test_a_new_project_asks_what_the_file_answers():
    rated = NewItem((), (Candidate("a"),), "ratings")
    pair = NewItem((), (Candidate("a"), Candidate("b")), "pair")
    rows = [VoteRow(rated, "Ada", RatingsAnswer(({"clear": 1, "kind": 2},))), VoteRow(pair)]
    found = settings_for(rows, "old")
    assert (found.name, found.kinds, found.axes) == ("old", ("ratings", "pair"), ("clear", "kind"))
