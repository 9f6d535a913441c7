import pytest

from truing.config.judging import JudgingRecipe
from truing.core.records import Record, RubricItem, reply, user
from truing.judges.opinions import NoVerdict
from truing.judges.pairwise import Comparison, Verdict
from truing.judges.ranking import RankedResponses
from truing.synthesis.judging.kinds import KINDS, items_of

RECIPE = JudgingRecipe(rows=("a",), judges=("b",), output="c")
ONE, TWO, THREE = (
    Record(user("q"), tuple(reply(str(place)) for place in range(count))) for count in (1, 2, 3)
)
CHECKED = Record(user("q"), ONE.responses, rubric=(RubricItem("is short"),))


@pytest.mark.parametrize(
    ("record", "kind", "kinds"),
    [
        (ONE, "auto", ["axes"]),
        (TWO, "auto", ["pairwise"]),
        (THREE, "auto", ["ranking"]),
        (CHECKED, "auto", ["rubric"]),
        (TWO, "axes", ["axes", "axes"]),
        (CHECKED, "axes", ["axes"]),
        (TWO, "rubric", []),
        (ONE, "pairwise", []),
        (TWO, "ranking", []),
        (Record(user("q")), "auto", []),
    ],
)
def test_the_kind_of_a_row(record: Record, kind: str, kinds: list[str]):
    assert [item.kind for item in items_of(record, kind)] == kinds


def test_an_opinion_is_a_number_from_0_to_1():
    failed = NoVerdict("no")
    assert KINDS["pairwise"](RECIPE).value(Comparison(Verdict.FIRST, Verdict.TIE)) == 0.75
    assert KINDS["axes"](RECIPE).value({"helpful": 10.0, "honest": 1.0}) == 0.5
    assert KINDS["axes"](RECIPE).value(failed) == failed
    assert KINDS["rubric"](RECIPE).value(failed) == failed
    ranked = RankedResponses((0, 1, 2), (1, 2, 3), (2, 1, 3))
    assert KINDS["ranking"](RECIPE).value(ranked) == 0.75  # equal to the second, above the third


def test_a_verdict_that_is_missing_is_null_in_a_row():
    detail = KINDS["pairwise"](RECIPE).detail(Comparison(NoVerdict("no"), Verdict.FIRST))
    assert detail == {"first": None, "swapped": "A", "agree": None, "probability": None}
    assert KINDS["axes"](RECIPE).detail(NoVerdict("no")) == {"axes": None}
    assert KINDS["rubric"](RECIPE).detail(NoVerdict("no")) == {"met": None}
