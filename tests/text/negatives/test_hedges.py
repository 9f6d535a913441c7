import pytest

from truing.text.negatives.hedges import PARTICIPLES, hedges
from truing.text.negatives.passages import Draw, edited, read_passage


def changed(text: str) -> list[str]:
    return [edited(text, change.edits) for change in hedges(read_passage(text), Draw())]


TABLE = {
    "Revenue is expected to reach $3 million.": ["Revenue has reached $3 million."],
    "Sales are projected to grow.": ["Sales have grown."],
    "The bank is expected to merge.": ["The bank will merge."],
    "The drug may cause drowsiness.": ["The drug will cause drowsiness."],
    "It might not be enough.": ["It will not be enough."],
    "It is estimated that rates fell.": ["It is confirmed that rates fell."],
    "It will probably rise.": ["It will rise."],
    "Perhaps rates fell.": ["Rates fell."],
    "The data suggests that it fell.": ["The data proves that it fell."],
    "预计2024年营收将达3.5亿元。": ["2024年营收已达3.5亿元。"],
    "预计将增长12%。": ["已增长12%。"],
    "营收预计增长12%。": ["营收已增长12%。"],
    "该数字仅为预测值。": ["该数字是实际值。"],
    "上述数字均为预测数据。": ["上述数字均是实际值。"],
    "降息可能导致通胀。": ["降息必然导致通胀。"],
    "降息可能会导致通胀。": ["降息会导致通胀。"],
    "规模有望突破百亿。": ["规模必将突破百亿。"],
}


@pytest.mark.parametrize(("text", "expected"), TABLE.items())
def test_a_forecast_becomes_a_fact(text: str, expected: list[str]):
    assert changed(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "In May it rose.",
        "May 15 is the date.",
        "If it may rise, wait.",
        "业绩高于预期。",
        "这是不可能的。",
        "请尽可能早到。",
        "存在多种可能性。",
        "增速超预计。",
        "可能上涨吗？",
    ],
)
def test_what_is_no_hedge_is_left_alone(text: str):
    assert changed(text) == []


def test_participles_are_of_verbs_in_their_first_form():
    assert all(verb.isalpha() and participle.isalpha() for verb, participle in PARTICIPLES.items())
