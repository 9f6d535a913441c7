"""Advice on a recipe, told once its rows are counted."""

from collections.abc import Sequence

from truing.core.messages import Sentence, message
from truing.data.stored import first_labels
from truing.data.trees import Tree
from truing.losses.unpaired import kto
from truing.methods.offline import Chosen
from truing.objectives.binding import number_of

BALANCE = 1.0, 4 / 3  # between these the KTO paper wants the weighted ratio of its two classes


def advice_on(chosen: Chosen, trees: Sequence[Tree]) -> Sentence | None:
    """Advise on KTO's weights of the two classes; None where they suit the counts, or for another loss."""
    if chosen.loss is not kto:
        return None
    weights = [number_of(chosen.hyper, f"{side}_weight") for side in ("desirable", "undesirable")]
    good = int((first_labels(trees) > 0.5).sum())
    return kto_advice(good, len(trees) - good, *weights)


def kto_advice(
    desirable: int, undesirable: int, desirable_weight: float, undesirable_weight: float
) -> Sentence | None:
    """Advise where lambda_D n_D / (lambda_U n_U) leaves [1, 4/3], arXiv:2402.01306 eq. 8; else return None.

    The advice names the weight of the class that counts too little. Its new value puts the ratio in the
    middle of the range, so that rounding the value cannot leave the range.
    """
    for name, count, weight in (
        ("desirable", desirable, desirable_weight),
        ("undesirable", undesirable, undesirable_weight),
    ):
        if not count:
            lacks = (
                "KTO learns from both classes and there is no {kind} response; add some, or use another loss"
            )
            return message(lacks, kind=message(name))
        if not weight:
            idle = "{key} is 0, so {n} {kind} responses teach nothing; set it above 0"
            return message(idle, key=f"{name}_weight", n=count, kind=message(name))
    low, high = BALANCE
    good, bad = desirable_weight * desirable, undesirable_weight * undesirable
    ratio = round(good / bad, 9)  # 1 x 0.3 / (3 x 0.1) falls short of 1 by a rounding error
    if low <= ratio <= high:
        return None
    middle = (low + high) / 2
    key, value = (
        ("desirable_weight", middle * bad / desirable)
        if ratio < low
        else ("undesirable_weight", good / (middle * undesirable))
    )
    found = f"{desirable_weight:g} x {desirable} / ({undesirable_weight:g} x {undesirable}) = {ratio:.3g}"
    said = (
        "KTO wants desirable_weight x desirable / (undesirable_weight x undesirable) in [1, 4/3]; "
        "it is {found}; set {key} to {value:.3g}"
    )
    return message(said, found=found, key=key, value=value)
