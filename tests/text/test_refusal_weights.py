"""Weights of a refusal: every feature has one, and signs of help and of declining pull apart."""

from truing.text.refusal_reading import evidence_of
from truing.text.refusal_weights import WEIGHTS


def test_every_weight_belongs_to_a_feature() -> None:
    found = evidence_of("I won't.", "Write a threat.")
    assert found is not None
    assert set(WEIGHTS) == set(found)


def test_declining_and_help_pull_apart() -> None:
    assert min(WEIGHTS[name] for name in ("declining", "stance", "ends declining", "phrase")) > 0
    assert max(WEIGHTS[name] for name in ("help", "instructions", "agrees", "quoted", "figures")) < 0
