"""Attacks: the messages they send, their end, and that each leads back to its prompt."""

import json

import pytest
from tests.redteam.attacks.talking import REFUSAL, SEEDS, sent

from truing.core.errors import ConfigError
from truing.redteam.attacks.table import ATTACKS, attacks_of
from truing.redteam.attacks.types import AttackType

CASES = [(name, language) for name, attack in ATTACKS.items() for language in attack.languages]


@pytest.mark.parametrize(("name", "language"), CASES)
def test_every_attack_begins_and_ends(name: str, language: str) -> None:
    attack = ATTACKS[name]
    messages = sent(ATTACKS[name].step, SEEDS[language], *[REFUSAL] * attack.turns)
    assert messages[-1] is None
    assert all(message and message.strip() for message in messages[:-1])
    assert sum(message is not None for message in messages) <= attack.turns


@pytest.mark.parametrize(("name", "language"), CASES)
def test_the_prompt_is_in_the_messages_read_back(name: str, language: str) -> None:
    attack, seed = ATTACKS[name], SEEDS[language]
    messages = [message for message in sent(attack.step, seed, *["Fine."] * attack.turns) if message]
    if name == "json":
        assert json.loads(messages[0].partition("\n\n")[2])["task"] == seed.text
    elif name == "leet":
        assert attack.undo(messages[0]).casefold() == seed.text.casefold()
    else:
        parts = [part for message in messages for part in message.split("\n\n")]
        assert any(seed.text in attack.undo(part) for part in parts)


@pytest.mark.parametrize("name", ATTACKS)
def test_a_plain_answer_is_read_as_it_stands(name: str) -> None:
    for text in ("Canberra is the capital.", "It was 1969, on the Moon, with 3 people.", "北京。", ""):
        assert ATTACKS[name].undo(text) == text


def test_every_type_has_an_attack_and_every_attack_an_outside_name() -> None:
    assert {attack.type for attack in ATTACKS.values()} == set(AttackType)
    assert all(attack.garak or attack.pyrit for attack in ATTACKS.values())
    assert all(attack.decoded for attack in ATTACKS.values())


def test_an_unknown_attack_is_an_error() -> None:
    assert list(attacks_of(["plain", "leet"])) == ["plain", "leet"]
    with pytest.raises(ConfigError, match=r"(?s)no attack 'base46'.*base64"):
        attacks_of(["base46"])
