"""The part of a record that each shape of loss trains on, and its labels."""

from truing.core.records import Record, reply, user
from truing.data.trees import Branch, Tree
from truing.objectives.shapes import (
    DEMONSTRATION,
    PAIR,
    RANKING,
    SCORED,
    SCORED_PAIR,
    UNPAIRED,
    unpaired,
)

ASKED = user("a")
ONE = Record(ASKED, (reply("b"),))
BAD = Record(ASKED, (reply("b", label=False),))
TWO = Record(ASKED, (reply("b"), reply("c")), margin=0.5)
THREE = Record(ASKED, tuple(reply(text, rank=rank, score=2.0 - rank) for rank, text in enumerate("bcd")))
SHAPES = (DEMONSTRATION, PAIR, RANKING, UNPAIRED, SCORED)


def texts(record: Record | None) -> str:
    return "".join(one.text for one in record.responses) if record else "-"


def test_each_shape_takes_its_part_of_each_record():
    rows = (Record(ASKED), ONE, BAD, TWO, THREE)
    found = {shape.objective.__name__: [texts(shape.teaches(row)) for row in rows] for shape in SHAPES}
    assert found == {
        "LikelihoodObjective": ["-", "b", "-", "b", "b"],
        "PairObjective": ["-", "-", "-", "bc", "bd"],
        "RankingObjective": ["-", "-", "-", "bc", "bcd"],
        "UnpairedObjective": ["-", "-", "b", "-", "-"],
        "RegressionObjective": ["-", "-", "-", "-", "bcd"],
    }


def test_a_pair_becomes_two_rows_with_labels():
    good, bad = unpaired(THREE)
    assert (texts(good), good.chosen.label, texts(bad), bad.chosen.label) == ("b", True, "d", False)
    assert good.margin is None and unpaired(ONE) == [ONE]


def test_labels_come_from_the_record():
    tree = Tree([1], tuple(Branch([n], [True]) for n in range(3)))
    assert RANKING.labelled(tree, THREE).labels == (0.0, 1.0, 2.0)
    assert SCORED.labelled(tree, THREE).labels == (2.0, 1.0, 0.0)
    assert SCORED_PAIR.labels(TWO) == (0.5, 0.0) and UNPAIRED.labels(BAD) == (0.0,)
    assert RANKING.labels(TWO) == (0.0, 1.0), "without ranks their order is the rank"


def test_a_shape_says_what_a_loss_may_ask_for():
    assert PAIR.supplies[:2] == ("policy", "ref")
    assert SCORED_PAIR.supplies[0] == "scores"
