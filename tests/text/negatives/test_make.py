import random
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from truing.text.negatives.make import Negative, Unmade, alike, falsify, is_false
from truing.text.negatives.passages import Draw, Edit, NumberRange, edited, read_passage
from truing.text.negatives.table import RULES

# Invented sentences; each holds something for several rules.
SENTENCES = [
    "预计2024年营收将达3.5亿元，同比增长12.5%。",
    "青石一年定开债基成立于2022年2月15日，规模为12.4亿元。",
    "白塔银行第三季度净利润为8,640万元，环比下降3.2%，不良率为1.18%。",
    "该产品不是保本产品，持有人可以在开放期赎回，费率为0.15%。",
    "气温上升了三成，共有十二家公司参与，全长35公里。",
    "Hillside Bank reported revenue of $3.2 billion in 2023, a 14% increase over 2022.",
    "Net profit is expected to reach $120 million by March 2025.",
    "The fund is listed in London and charges 0.35% a year; it does not hedge currencies.",
    "Holders may redeem 1,500 units on Monday, twelve days after the close.",
    "The bridge is 2,450 metres long, weighs 35,000 tonnes and was opened in 1998.",
]


def made(text: str, **options) -> Negative:
    negative = falsify(read_passage(text), **options)
    assert isinstance(negative, Negative)
    return negative


def texts() -> st.SearchStrategy[str]:
    return st.lists(st.sampled_from(SENTENCES), min_size=1, max_size=4, unique=True).map(" ".join)


@given(texts(), st.integers(0, 50), st.integers(1, 3))
def test_a_negative_differs_in_meaning_and_inside_its_edits_alone(text: str, seed: int, count: int):
    passage = read_passage(text)
    negative = falsify(passage, changes=count, draw=Draw(seed))
    if negative is Unmade.TOO_FEW:
        return
    assert isinstance(negative, Negative)
    assert len(negative.changes) == count
    assert negative.text == edited(text, negative.edits) != text
    after = read_passage(negative.text)
    moved = 0
    for edit in sorted(
        negative.edits, key=lambda edit: edit.start
    ):  # what the edits do not cover is as it was
        assert negative.text[edit.start + moved :].startswith(edit.new)
        moved += len(edit.new) - len(edit.old)
    assert len(negative.text) == len(text) + moved
    if any(
        change.rule in ("numbers", "percentages", "years", "dates", "numerals", "units")
        for change in negative.changes
    ):
        assert sorted(each.meaning_key for each in after.quantities) != sorted(
            each.meaning_key for each in passage.quantities
        )
    else:
        assert [each.meaning_key for each in after.quantities] == [
            each.meaning_key for each in passage.quantities
        ]


@given(texts(), st.integers(0, 50))
def test_a_negative_depends_on_its_row_and_seed_alone(text: str, seed: int):
    random.seed(seed)
    first = falsify(read_passage(text), draw=Draw(seed))
    falsify(read_passage(SENTENCES[0]), draw=Draw(seed))
    assert falsify(read_passage(text), draw=Draw(seed)) == first


def test_a_negative_is_the_same_in_another_process():
    code = (
        "from truing.text.negatives.make import falsify\n"
        "from truing.text.negatives.passages import read_passage\n"
        f"print(ascii(falsify(read_passage({SENTENCES[0]!r})).text))"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, encoding="utf-8")
    assert said.stdout.strip() == ascii(made(SENTENCES[0]).text), said.stderr


@pytest.mark.parametrize("text", SENTENCES)
def test_seeds_give_different_negatives(text: str):
    assert len({made(text, draw=Draw(seed)).text for seed in range(12)}) > 3


def test_rules_take_turns():
    """Six numbers do not crowd out one hedge: each rule comes first about as often as another."""
    values = zip("甲乙丙丁戊己", (31, 45, 52, 67, 74, 88), strict=True)
    text = "预计2030年，" + "，".join(f"第{name}项为{value}公里" for name, value in values) + "。"
    rules = [made(text, rules=["numbers", "hedges"], draw=Draw(seed)).changes[0].rule for seed in range(60)]
    assert 15 < rules.count("hedges") < 45


def test_the_number_of_changes_may_be_a_share():
    text = SENTENCES[1] + SENTENCES[2]
    few, many = (made(text, rules=list(RULES), changes=share) for share in (0.1, 0.8))
    assert 1 <= len(few.changes) < len(many.changes)


@pytest.mark.parametrize(
    ("text", "options", "reason"),
    [
        (" \n", {}, Unmade.EMPTY),
        ("谢谢。", {}, Unmade.NOTHING),
        ("It sold 3,200 units.", {"rules": ["numbers"], "changes": 2}, Unmade.TOO_FEW),
        ("Is it 5 km?", {}, Unmade.NOTHING),
    ],
)
def test_a_row_without_a_negative_says_why(text: str, options: dict, reason: Unmade):
    assert falsify(read_passage(text), **options) is reason


@pytest.mark.parametrize(
    ("text", "old", "new"),
    [
        ("It is 1,000 m away.", "1,000 m", "1 km"),
        ("占50%。", "50%", "一半"),
        ("共3.5万人。", "3.5万", "35,000"),
        ("于2024年成立。", "2024", "二〇二四"),
        ("It has two doors.", "two", "2"),
        ("占百分之二十。", "百分之二十", "20%"),
        ("It is 1,000 m away.", "1,000 m", "1000 m"),
        ("It is so.", "It is", "it  is"),
    ],
)
def test_another_way_to_say_the_same_is_not_false(text: str, old: str, new: str):
    at = text.index(old)
    assert not is_false(read_passage(text), [Edit(at, at + len(old), old, new)])


def test_an_edit_that_makes_its_neighbour_read_otherwise_is_refused():
    """A unit that goes missing takes the number beside it along."""
    text = "It sold 20 km of 500 m pipes."
    at = text.index(" km")
    assert not is_false(read_passage(text), [Edit(at, at + 7, " km of ", " ")])


def test_a_smaller_range_makes_a_harder_negative():
    near = made("It sold 3,217 units.", rules=["numbers"], draw=Draw(spread=NumberRange(0.01, 0.02)))
    assert 0.01 <= abs(int(near.edits[0].new.replace(",", "")) / 3217 - 1) <= 0.02


def test_alike_is_the_share_of_common_words():
    assert alike("a b c d", "a b x d") == pytest.approx(0.75)
    assert alike("上涨百分", "下跌百分") == pytest.approx(0.5)
    assert alike("same", "same") == 1.0
