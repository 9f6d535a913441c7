"""The end of a response, and the part of it that is text."""

from pathlib import Path

import pytest
from transformers import AutoTokenizer, PreTrainedTokenizerBase

from truing.sampling.endings import Endings
from truing.sampling.types import Finish


@pytest.fixture(scope="module")
def tokenizer(model_folder: Path) -> PreTrainedTokenizerBase:
    return AutoTokenizer.from_pretrained(model_folder)


def ids(tokenizer: PreTrainedTokenizerBase, text: str) -> list[int]:
    return tokenizer(text, add_special_tokens=False)["input_ids"]


def test_a_stop_token_ends_a_response_and_is_no_text(tokenizer):
    endings = Endings(tokenizer, frozenset({tokenizer.eos_token_id}), ())
    tokens = [*ids(tokenizer, "Hello"), tokenizer.eos_token_id]
    assert endings.met(tokens[:-1]) is None and endings.met(tokens) is Finish.STOP
    assert endings.text(tokens, Finish.STOP) == "Hello"
    assert endings.text(tokens[:-1], Finish.LENGTH) == "Hello"


def test_a_stop_string_ends_it_where_it_is_complete_whatever_its_tokens(tokenizer):
    endings = Endings(tokenizer, frozenset(), ("END", "\u597d"))
    tokens = ids(tokenizer, "well EN")
    assert endings.met(tokens) is None
    tokens += ids(tokenizer, "D")
    assert endings.met(tokens) is Finish.STOP_STRING and endings.text(tokens, Finish.STOP_STRING) == "well "
    assert endings.met(ids(tokenizer, "\u4f60\u597d")) is Finish.STOP_STRING


def test_an_earlier_string_is_no_new_ending_but_cuts_the_text(tokenizer):
    endings = Endings(tokenizer, frozenset(), ("b", "a"))
    assert endings.text(ids(tokenizer, "x a b"), Finish.STOP_STRING) == "x "
