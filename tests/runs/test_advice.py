"""Advice on the weights of KTO's two classes."""

import pytest

from truing.data.trees import Branch, Tree
from truing.methods.offline import choose
from truing.runs.advice import advice_on, kto_advice

from ..tables import each


def test_only_kto_is_advised():
    trees = [Tree([1], (Branch([2], [True]),), (label,)) for label in (1.0, 0.0, 0.0)]
    assert "set desirable_weight to" in str(advice_on(choose("kto", None, {}), trees))
    assert advice_on(choose("bco", None, {}), trees) is None


@pytest.mark.parametrize(
    ("desirable", "undesirable", "desirable_weight", "undesirable_weight"),
    [(10, 10, 1.0, 1.0), (4, 3, 1.0, 1.0), (100, 400, 4.0, 1.0), (100, 400, 5.33, 1.0), (1, 3, 0.3, 0.1)],
)
def test_kto_advice_is_silent_inside_the_range_and_at_its_ends(
    desirable: int, undesirable: int, desirable_weight: float, undesirable_weight: float
):
    assert kto_advice(desirable, undesirable, desirable_weight, undesirable_weight) is None


@pytest.mark.parametrize(
    ("counts", "ratio", "change"),
    [((100, 400), "0.25", "desirable_weight to 4.67"), ((401, 300), "1.34", "undesirable_weight to 1.15")],
)
def test_kto_advice_names_the_numbers_and_the_weight_to_set(counts, ratio: str, change: str):
    # 7/6 * 400 / 100 = 4.67 and 401 / (7/6 * 300) = 1.146
    message = kto_advice(*counts, 1.0, 1.0)
    assert message is not None and "\n" not in message
    assert f"1 x {counts[0]} / (1 x {counts[1]}) = {ratio}; set {change}" in message


@each("counts", [(1, 1000), (3, 7), (9, 10), (7, 5), (999, 2), (123457, 1)])
@each("weights", [(1.0, 1.0), (0.5, 2.0), (3.0, 0.25)])
def test_kto_advice_is_silent_once_followed(counts: tuple[int, int], weights: tuple[float, float]):
    message = kto_advice(*counts, *weights)
    assert message is not None
    key, value = message.rpartition("set ")[2].split(" to ")
    changed = dict(zip(("desirable_weight", "undesirable_weight"), weights, strict=True))
    assert kto_advice(*counts, **(changed | {key: float(value)})) is None


@pytest.mark.parametrize(("counts", "missing"), [((0, 5), "no desirable"), ((5, 0), "no undesirable")])
def test_kto_advice_says_which_class_is_missing(counts, missing: str):
    assert missing in str(kto_advice(*counts, 1.0, 1.0))


@pytest.mark.parametrize(("weights", "named"), [((0.0, 1.0), "desirable"), ((1.0, 0.0), "undesirable")])
def test_kto_advice_says_which_class_has_no_weight(weights, named: str):
    assert str(kto_advice(7, 5, *weights)).startswith(f"{named}_weight is 0")
