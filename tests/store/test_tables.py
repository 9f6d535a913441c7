import csv
import io

import pytest

from truing.core.errors import DataError
from truing.core.records import Message, user
from truing.store.answers import PairAnswer, RankingAnswer
from truing.store.exchange import VoteRow
from truing.store.items import Candidate, ItemPurpose, NewItem
from truing.store.tables import FORMULA, plain_cell, read_table, safe_cell, write_table

HOSTILE = [
    "=cmd|'/c calc'!A0",
    "+1",
    "-1",
    "@SUM(A1)",
    "\t=1",
    "\r=1",
    "'=1",
    "''",
    "'",
    "",
    "a=1",
    "NUL \x00",
]


@pytest.mark.parametrize("text", HOSTILE)
def test_a_cell_is_safe_and_comes_back(text: str):
    assert not safe_cell(text).startswith(FORMULA[:-1])
    assert plain_cell(safe_cell(text)) == text


def rows() -> list[VoteRow]:
    long = (Message("system", "be\r\nbrief"), *user("=q"), Message("assistant", "a"), *user('中文, "so"'))
    items = [
        NewItem(
            user("=1+1"),
            (Candidate("-a", "=M"), Candidate("", None, {"seed": 1})),
            "pair",
            row={"place": "f:1"},
        ),
        NewItem(long, tuple(map(Candidate, ("x", "", "\tz"))), "ranking", priority=0.25),
        NewItem(
            user("[[not turns"), (Candidate("a"), Candidate("b")), "pair", ItemPurpose.GOLD, PairAnswer("tie")
        ),
    ]
    return [
        VoteRow(
            items[0], "=Ada", PairAnswer("first", edited="+b"), 1, (1, 0), 1.5, "@c\nnext line", flag=True
        ),
        VoteRow(items[0], "Bo", PairAnswer("both_bad"), 2, (0, 1)),
        VoteRow(items[1], "Bo", RankingAnswer(((2,), (0, 1))), order=(2, 0, 1)),
        VoteRow(items[2]),
    ]


def test_a_table_comes_back_and_holds_no_formula():
    table = write_table(rows())
    found = list(read_table(table, "votes.csv"))
    assert [row.place for row in found] == [f"votes.csv:{n}" for n in range(2, 6)]
    assert [VoteRow(**{**vars(row), "place": ""}) for row in found] == rows()
    cells = [cell for line in csv.reader(io.StringIO(table.decode("utf-8-sig"), newline="")) for cell in line]
    assert [cell for cell in cells if cell.startswith(FORMULA[:-1])] == []


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"a,b\r\n1,2\r\n", "lacks the columns answer, kind, person"),
        (b"kind,person,answer,prompt,responses,response_1\r\npair,Ada,{,q,1,x\r\n", "votes.csv:2 is no vote"),
        (
            b"kind,person,answer,prompt,responses,response_1\r\npair,Ada,,q,many,x\r\n",
            "votes.csv:2 is no vote",
        ),
    ],
)
def test_another_table_is_an_error(content: bytes, told: str):
    with pytest.raises(DataError, match=told):
        list(read_table(content, "votes.csv"))
