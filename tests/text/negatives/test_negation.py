import pytest

from truing.text.negatives.negation import negation
from truing.text.negatives.passages import Draw, edited, read_passage


def changed(text: str) -> list[str]:
    return [edited(text, change.edits) for change in negation(read_passage(text), Draw())]


TABLE = {
    "Paris is the capital.": ["Paris is not the capital."],
    "The fund can invest abroad.": ["The fund cannot invest abroad."],
    "The bonds have been repaid.": ["The bonds have not been repaid."],
    "It does not pay dividends.": ["It does pay dividends."],
    "The index isn't weighted.": ["The index is weighted."],
    "They won't be repaid.": ["They will be repaid."],
    "The rate cannot change.": ["The rate can change."],
    "It is no longer listed.": ["It is still listed."],
    "鲸鱼是哺乳动物。": ["鲸鱼不是哺乳动物。"],
    "该基金不是保本产品。": ["该基金是保本产品。"],
    "持有人可以随时赎回。": ["持有人不能随时赎回。"],
    "该费用不包括税费。": ["该费用包括税费。"],
    "产品适合稳健型投资者。": ["产品不适合稳健型投资者。"],
    "公司没有对外担保。": ["公司有对外担保。"],
    "项目已完成验收。": ["项目尚未完成验收。"],
    "合同尚未生效。": ["合同已经生效。"],
}


@pytest.mark.parametrize(("text", "expected"), TABLE.items())
def test_a_clause_is_denied_or_no_longer_denied(text: str, expected: list[str]):
    assert changed(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "Is it a bond?",
        "If it is sold, tell the holder.",
        "All of them are bonds.",
        "It is not only cheap but sound.",
        "He left a will behind him.",
        "Do not touch it.",
        "它是什么？",
        "如果是债券就卖出。",
        "但是还是总是于是",
        "所有产品都是债券。",
        "这不仅是债券。",
        "社会会议机会大会",
        "不得不说",
        "以下是三种方法：",
    ],
)
def test_what_need_not_become_false_is_left_alone(text: str):
    assert changed(text) == []
