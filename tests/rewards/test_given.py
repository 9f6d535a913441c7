"""Arguments of the user's own reward, as TRL gives them and as truing does."""

import pytest

from truing.core.errors import ConfigError
from truing.core.records import user
from truing.rewards.given import (
    GivenTurns,
    TurnsAreNoTextError,
    is_text,
    offered,
    require_given,
    required,
    texts_of,
)
from truing.rewards.types import Item

TEXT = Item(user("a"), "b", reference="5", columns={"prompt": "a", "case": "upper"})
TURNS = Item(user("a"), "c", columns={"prompt": [{"role": "user", "content": "a"}]})


def test_columns_references_and_responses_are_offered_in_order():
    given = offered([TEXT, TURNS])
    assert given["responses"] == ["b", "c"] and given["case"] == ["upper", None]
    assert given["reference"] == ["5", None] and "category" not in given
    assert given["completions"][1] == [{"role": "assistant", "content": "c"}]


def test_an_annotation_asks_for_texts():
    def mine(prompts: list[str], completions, case): ...

    assert texts_of(mine) == {"prompts"}
    assert offered([TEXT], texts_of(mine))["prompts"] == ["a"]
    assert required(mine, ["case"]) == ["prompts", "completions"]


@pytest.mark.parametrize(
    "use",
    [
        len,
        str,
        lambda one: "a" in one,
        lambda one: one.lower(),
        lambda one: one == "a",
        lambda one: one + one,
    ],
    ids=["len", "str", "in", "lower", "==", "+"],
)
def test_messages_taken_for_text_are_an_error(use):
    (given,) = offered([TEXT])["prompts"]
    with pytest.raises(TurnsAreNoTextError, match="this is a list of messages and no text"):
        use(given)


def test_messages_can_be_read_as_such_and_where_the_file_has_them_they_are_plain():
    (given, plain) = offered([TEXT, TURNS])["prompts"]
    assert isinstance(given, GivenTurns) and given[0]["content"] == "a" and given
    assert is_text(TEXT) and not is_text(TURNS) and len(plain) == 1


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ("answer", "asks for 'answer', and no row has such a field; there are case"),
        ("completion_ids", "the token ids are not kept"),
        ("prompt", "asks for 'prompt'"),
    ],
)
def test_an_argument_that_nothing_gives_is_told(asked: str, said: str):
    require_given("mine", ["prompts", "case"], {"case"})
    with pytest.raises(ConfigError, match=said):
        require_given("mine", [asked], {"case"})
