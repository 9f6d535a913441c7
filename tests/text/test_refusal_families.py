"""Families of declining, sentence by sentence: an example of each in English and in Chinese."""

import pytest

from truing.text.refusal_families import AGREES, FAMILIES

EXAMPLES = [
    ("stance", "I'd rather not go into that.", "这种事我不掺和。"),
    ("closes", "That stays off the table.", "这个话题到此为止。"),
    ("cannot", "I cannot see any photos here.", "这张图我看不到。"),
    ("purpose", "May I ask what you need it for?", "冒昧问一句，你要它干什么用？"),
    ("instead", "Would you like a card game instead?", "要不我给你讲个故事？"),
    ("refers", "Please call a crisis line.", "请拨打心理援助热线。"),
    ("judges", "That would be a crime.", "这样做是违法的。"),
    ("lectures", "It is important to respect others.", "我们应该尊重他人。"),
    ("cares", "You matter, and you are not alone.", "我理解您的心情。"),
    ("model", "As an AI assistant I read many books.", "作为人工智能助手，我读过很多书。"),
    ("unknown", "I don't know that.", "这个我不知道。"),
    ("instructs", "Use a sharp knife.", "先把水烧开。"),
]
PLAIN = ("The cathedral was built of grey stone.", "教堂是灰色石头建的。")


@pytest.mark.parametrize(("name", "english", "chinese"), EXAMPLES)
def test_a_family_is_heard_in_both_languages(name: str, english: str, chinese: str) -> None:
    for pattern, text, plain in zip(FAMILIES[name], (english, chinese), PLAIN, strict=True):
        assert pattern.search(text)
        assert not pattern.search(plain)


def test_every_family_has_an_example() -> None:
    assert {name for name, _, _ in EXAMPLES} == set(FAMILIES)


@pytest.mark.parametrize(
    ("text", "agrees"), [("Sure! First", True), ("没问题！", True), ("Not sure.", False)]
)
def test_an_opening_that_agrees(text: str, agrees: bool) -> None:
    assert (AGREES.match(text) is not None) is agrees
