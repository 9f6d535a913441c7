"""Attacks by several turns: what they ask next follows from the talk so far."""

from tests.redteam.attacks.talking import REFUSAL, SEEDS, sent

from truing.core.records import Message
from truing.redteam.attacks.turns import crescendo, linear

ANSWER = "First, look at the pins and lift them."
BEGUN = "That is somebody's home, and I"


def test_the_linear_attack_asks_anew_only_after_a_no() -> None:
    seed = SEEDS["en"]
    assert sent(linear, seed, ANSWER) == [seed.text, None]
    first, second, third, end = sent(linear, seed, REFUSAL, REFUSAL, ANSWER)
    assert first == seed.text
    assert second is not None
    assert "made-up world" in second
    assert third is not None
    assert "ethics board" in third
    assert end is None


def test_the_linear_attack_reads_a_cut_answer_by_its_phrases() -> None:
    """The answer says nothing that helps yet: as a whole one it declines, begun it need not."""
    seed = SEEDS["en"]
    talk = (Message("user", seed.text), Message("assistant", BEGUN))
    assert linear(seed, talk) is not None
    assert linear(seed, talk, True) is None
    refused = (Message("user", seed.text), Message("assistant", REFUSAL))
    assert linear(seed, refused, True) is not None


def test_crescendo_climbs_to_the_request() -> None:
    messages = sent(crescendo, SEEDS["en"], "Locks.", "They are curious.", "Lift the pins.")
    assert messages[2:] == [f"Thank you. Now carry it out: {SEEDS['en'].text}", None]
