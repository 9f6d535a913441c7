"""The account of rows: every row is kept or set aside for a reason, and shared rows are counted."""

from collections import Counter

from truing.core.records import Record, reply, user
from truing.data.kept import Rows, say_cuts, say_shared
from truing.data.limits import Reason, Rendered
from truing.data.load import Loaded, SourceReport
from truing.data.trees import Branch, Tree

TREE = Tree([1], (Branch([2], [True]),))
RECORD = Record(user("a"), (reply("b"),), place="a.jsonl:1")


def rows(**changes: int) -> Rows:
    source = SourceReport("a.jsonl", "x", "X", 4, 3, Counter({"broken-json": 1}), "0" * 64)
    rendered = Rendered(
        [TREE, TREE], [RECORD, RECORD], [3, 9], Counter({Reason.TOO_LONG: 1, Reason.PROMPT_CUT: 1})
    )
    return Rows(Loaded([RECORD] * 3, [source], []), rendered, [TREE, TREE], taught=3, **changes)


def test_what_is_kept_and_set_aside_is_what_was_read():
    found = rows()
    assert found.aside == {"broken-json": 1, "too-long": 1}
    assert found.summary["kept"] + sum(found.aside.values()) == found.summary["read"] == 4
    assert found.summary["cut"] == {"prompt-cut": 1}
    assert found.describe() == "2 of 4 rows kept, set aside: 1 broken-json, 1 too-long; 1 prompt-cut"
    assert found.places == ["a.jsonl:1"] * 2


def test_cuts_are_told_with_the_longest_row():
    said: list[str] = []
    say_cuts(rows().rendered, 8, said.append)
    assert said == ["1 of 2 rows lose the start of their prompt: the longest has 9 tokens, and 8 are kept"]


def test_rows_of_the_evaluation_that_are_learnt_from_are_counted():
    said: list[str] = []
    assert say_shared(rows(), ["a", "b", "a"], ["a"], said.append).in_evaluation == 2
    assert "2 of 3 rows that are learnt from stand in the evaluation too" in said[0]
    assert say_shared(rows(), ["b"], ["a"], said.append).in_evaluation == 0 and len(said) == 1
