import pytest

from truing.text.negatives.entities import directions, entities, names_in
from truing.text.negatives.passages import Draw, edited, read_passage
from truing.text.negatives.table import FalsityRule


def changed(rule: FalsityRule, text: str, prompt: str = "", names: tuple[str, ...] = ()) -> list[str]:
    return [edited(text, each.edits) for each in rule(read_passage(text, prompt, names), Draw())]


DIRECTIONS = {
    "股价上涨了5%。": ["股价下跌了5%。"],
    "净利润同比增长。": ["净利润同比下降。"],
    "公司去年盈利。": ["公司去年亏损。"],
    "Shares rose sharply.": ["Shares fell sharply."],
    "It saw an increase in sales.": ["It saw a decrease in sales."],
    "It lies in the north.": ["It lies in the south."],
    "Rates are higher than before.": ["Rates are lower than before."],
    "The highest yield": ["The lowest yield"],
}


@pytest.mark.parametrize(("text", "expected"), DIRECTIONS.items())
def test_a_direction_is_turned(text: str, expected: list[str]):
    assert changed(directions, text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "价格有上涨有下跌。",
        "It may rise or fall.",
        "lower vertebrates",
        "the loss of land",
        "less than or equal to it",
        "Did it rise?",
        "a north-facing slope",
    ],
)
def test_what_says_no_direction_is_left_alone(text: str):
    assert changed(directions, text) == []


def test_a_listed_name_becomes_another_of_its_kind_everywhere():
    (result,) = changed(entities, "Monday is early. Come on Monday.")
    day = result.partition(" ")[0]
    assert day != "Monday" and day.endswith("day")
    assert result == f"{day} is early. Come on {day}."


def test_a_name_in_the_prompt_is_no_substitute_from_a_list():
    days = "Tuesday Wednesday Thursday Friday Saturday"
    assert changed(entities, "It is on Monday.", prompt=days) == ["It is on Sunday."]


def test_a_named_organisation_becomes_one_of_the_prompt():
    prompt = "Who bought Northgate Savings Bank, Hillside Bank or others?"
    assert changed(entities, "Northgate Savings Bank was bought.", prompt) == ["Hillside Bank was bought."]


def test_a_named_organisation_becomes_one_of_another_row_of_its_kind():
    names = ("云岭证券", "青石银行")
    assert changed(entities, "由白塔银行托管，白塔银行收费。", names=names) == [
        "由青石银行托管，青石银行收费。"
    ]


def test_an_organisation_without_another_stays():
    assert changed(entities, "由白塔银行托管。") == []


def test_names_of_a_text_are_found():
    assert list(names_in("由白塔银行托管，见《四季报》。 Hillside Bank holds it.")) == [
        "《四季报》",
        "白塔银行",
        "Hillside Bank",
    ]
