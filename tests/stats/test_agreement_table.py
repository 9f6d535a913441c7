"""One table of all coefficients: which rows there are, and that each is the function of its own."""

import pytest

from truing.stats.agreement import cohen_kappa, krippendorff_alpha
from truing.stats.agreement_table import OF_NAMES, OF_SCALES, agreement_table
from truing.stats.chance_corrected import fleiss_kappa, gwet_ac

GIVEN = [
    {"ann": 1, "bob": 2},
    {"ann": 4, "bob": 4},
    {"ann": 5, "bob": 4},
    {"bob": 3},
    {"ann": 2, "bob": 2},
    {"ann": 1, "bob": 1},
]


def test_each_row_is_what_its_own_function_gives():
    rows = [[1, 2], [4, 4], [5, 4], [3, None], [2, 2], [1, 1]]
    ann, bob = zip(*[row for row in rows if None not in row], strict=True)
    how = {"draws": 200}
    expected = {
        "cohen_kappa": cohen_kappa(ann, bob, **how),
        "fleiss_kappa": fleiss_kappa(rows, **how),
        "alpha_nominal": krippendorff_alpha(rows, **how),
        "alpha_ordinal": krippendorff_alpha(rows, scale="ordinal", **how),
        "alpha_interval": krippendorff_alpha(rows, scale="interval", **how),
        "ac1": gwet_ac(rows, labels=range(1, 6), **how),
        "ac2": gwet_ac(rows, labels=range(1, 6), scale="ordinal", **how),
    }
    found = agreement_table(GIVEN, labels=range(1, 6), scale="ordinal", **how)
    assert tuple(row.name for row in found) == OF_SCALES
    assert found[0].interval.estimate == pytest.approx(3 / 5)
    for row in found[1:]:
        assert row.interval == expected[row.name].coefficient


def test_names_have_no_order_and_three_people_no_cohen():
    given = [{"ann": "first", "bob": "tie"}, {"bob": "first", "eve": "first"}]
    found = agreement_table(given, labels=["first", "second", "tie"], draws=50)
    assert tuple(row.name for row in found) == OF_NAMES
    cohen = next(row for row in found if row.name == "cohen_kappa")
    assert cohen.interval is None
    assert str(cohen.undefined) == "Cohen's kappa compares two people, and 3 voted"


@pytest.mark.parametrize("given", [[], [{"ann": 1}], [{"ann": 1}, {"bob": 1}]])
def test_without_two_votes_on_an_item_each_row_says_why(given):
    found = agreement_table(given, labels=[1, 2])
    assert {row.name for row in found} == set(OF_NAMES)
    assert {str(row.undefined) for row in found} == {"no item has the votes of two people"}


def test_one_answer_alone_leaves_kappa_undefined_and_ac1_perfect():
    found = {
        row.name: row for row in agreement_table([{"a": "x", "b": "x"}] * 4, labels=["x", "y"], draws=50)
    }
    assert found["equal"].interval.estimate == found["ac1"].interval.estimate == 1
    for name in ("cohen_kappa", "fleiss_kappa", "alpha_nominal"):
        assert found[name].interval is None
        assert "every rating is x" in str(found[name].undefined)
