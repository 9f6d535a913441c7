"""Text that spells a list of messages, in JSON, Python or numpy."""

import pytest

from truing.data.rows import RowError
from truing.data.spelled import are_turns, is_turn, means_turns, spelled_list, spelled_turns

TURNS = [{"role": "user", "content": "it's"}, {"role": "assistant", "content": 'a "b"'}]


@pytest.mark.parametrize(
    "text",
    [
        str(TURNS),
        '[{"role": "user", "content": "it\'s"}, {"role": "assistant", "content": "a \\"b\\""}]',
        str(TURNS).replace("}, {", "}\n {"),
        f"  {TURNS}  ",
    ],
    ids=["python", "json", "numpy", "spaces"],
)
def test_every_spelling_is_read(text: str):
    assert means_turns(text) and spelled_turns(text, "messages") == TURNS


def test_other_text_stays_text():
    for text in ("hello", "[1, 2]", '{"a": 1}', "", "role: user", "[see 'role' below]"):
        assert spelled_turns(text, "prompt") is None


def test_text_that_means_to_be_messages_and_breaks_off_is_refused():
    with pytest.raises(RowError, match="`prompt` is text that spells a list") as caught:
        spelled_turns(str(TURNS)[:-9], "prompt")
    assert caught.value.code == "spelled-messages"


def test_nothing_is_evaluated():
    assert spelled_list("[__import__('os').getcwd()]") is None
    assert spelled_list("[1, 'a']") == [1, "a"] and spelled_list("(1, 2)") is None


def test_a_turn_has_a_speaker():
    assert is_turn({"from": "human", "value": "a"}) and not is_turn({"content": "a"})
    assert are_turns(TURNS) and not are_turns([]) and not are_turns([*TURNS, "x"])
