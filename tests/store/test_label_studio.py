import json

import pytest

from truing.core.errors import DataError
from truing.core.records import Message, user
from truing.store.answers import (
    EditAnswer,
    PairAnswer,
    RankingAnswer,
    RatingsAnswer,
    SafetyAnswer,
    SkipAnswer,
    VoteAnswer,
)
from truing.store.exchange import VoteRow
from truing.store.items import Candidate, NewItem
from truing.store.label_studio import read_label_studio, write_label_studio

PAIR = (Candidate("a", "M"), Candidate("b"))
TALK = (Message("system", "s"), *user("q"))


@pytest.mark.parametrize(
    "answer",
    [
        PairAnswer("first"),
        PairAnswer("second", edited="b\nbetter"),
        PairAnswer("tie"),
        PairAnswer("both_bad"),
        RankingAnswer(((1,), (0,))),
        RankingAnswer(((0, 1),)),
        RatingsAnswer(({"helpful": 5, "honest": 1}, {"helpful": 2, "honest": 3})),
        SafetyAnswer(("safe", "unsure")),
        EditAnswer(1, "mended"),
        SkipAnswer("中文"),
    ],
)
def test_a_vote_comes_back(answer: VoteAnswer):
    kind = "pair" if isinstance(answer, SkipAnswer) else answer.kind
    item = NewItem(TALK, PAIR, kind, row={"place": "f:1"})
    given = [
        VoteRow(item, "Ada", answer, 1, (1, 0), 2.5, "comment", flag=True),
        VoteRow(item, "Bo", answer, 2, (0, 1)),
        VoteRow(NewItem(user("other"), PAIR, kind)),
    ]
    tasks = json.loads(write_label_studio(given))
    assert [len(task["annotations"]) for task in tasks] == [2, 0]
    found = [row for task in tasks for row in read_label_studio(task, "")]
    assert found[:2] == given[:2]
    assert found[2].item.responses == PAIR


def task(data: dict[str, object], *results: dict[str, object], **more: object) -> dict[str, object]:
    return {"id": 4, "data": data, "annotations": [{"completed_by": 7, "result": list(results), **more}]}


def result(name: str, to: str, type_: str, **value: object) -> dict[str, object]:
    return {"from_name": name, "to_name": to, "type": type_, "value": value}


LIST = {
    "question": "q",
    "items": [
        {"id": "blog", "title": "T", "body": "x"},
        {"id": "wiki", "body": "y"},
        {"id": "z", "title": "t"},
    ],
}


@pytest.mark.parametrize(
    ("given", "answer", "texts"),
    [
        (
            task(
                {"prompt": "q", "answer_1": "x", "answer_2": "y"},
                result("pw", "a,b", "pairwise", selected="right"),
            ),
            PairAnswer("second"),
            ["x", "y"],
        ),
        (
            task(LIST, result("rank", "results", "ranker", ranker={"rank": ["wiki", "z", "blog"]})),
            RankingAnswer(((1,), (2,), (0,))),
            ["x", "y", "t"],
        ),
        (
            task({"text1": "x"}, result("quality", "text1", "rating", rating=4)),
            RatingsAnswer(({"quality": 4},)),
            ["x"],
        ),
        (task({"text1": "x", "text2": "y"}, was_cancelled=True), SkipAnswer(), ["x", "y"]),
    ],
)
def test_a_task_of_another_project_is_read(given: dict[str, object], answer: VoteAnswer, texts: list[str]):
    [row] = read_label_studio(given, "tasks.json, row 1")
    assert (row.answer, row.person) == (answer, "label studio 7")
    assert [each.text for each in row.item.responses] == texts
    assert row.item.row == {"task": 4}


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (task({"image": "x.png"}), "has no responses: expected fields text1"),
        (
            task({"text1": "x", "text2": "y"}, result("box", "text1", "labels", labels=["A"])),
            "says nothing on its",
        ),
    ],
)
def test_a_task_without_responses_or_answer_is_an_error(given: dict[str, object], told: str):
    with pytest.raises(DataError, match=told):
        list(read_label_studio(given, "tasks.json, row 1"))
