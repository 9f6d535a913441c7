"""Words of refusals: letters are no refusals of a model, and traditional characters are read."""

import pytest

from truing.text.refusal_words import MORE_RULES, SIMPLIFIED, is_letter


@pytest.mark.parametrize(
    ("text", "letter"),
    [
        ("Dear Ann,\nI can't come.", True),
        ("I can't come on Friday.\nBest regards, Tom", True),
        ("尊敬的经理：我无法继续工作。", True),
        ("我无法参加。此致敬礼", True),
        ("Dear user, I cannot help with that.", False),
        ("I can't write a threat. A calm note:\nDear Ann, please call me.\nKind regards", False),
        ("I can't help with that.", False),
    ],
)
def test_a_letter_is_told_from_a_refusal(text: str, letter: bool) -> None:
    assert is_letter(text) is letter


def test_traditional_characters_become_simplified() -> None:
    assert "我無法協助這個請求".translate(SIMPLIFIED) == "我无法协助这个请求"


def test_every_rule_has_a_name_of_its_language() -> None:
    chinese = [
        name for name, pattern in MORE_RULES.items() if any("\u4e00" <= one <= "\u9fff" for one in pattern)
    ]
    assert all(name.endswith("_zh") for name in chinese)
    assert len(chinese) == sum(name.endswith("_zh") for name in MORE_RULES)
