"""Text to ids and back, with control tokens kept out of the words of rows; test_chat.py attacks them."""

import json
import re
import shutil
from pathlib import Path

import pytest

from truing.core.records import Message
from truing.data.chat import make_renderer
from truing.data.refusals import RefusedRowError
from truing.data.tokens import (
    Encoder,
    GivesUpError,
    control_tokens,
    decode,
    make_encoder,
    pieces,
    unused_characters,
)
from truing.data.trees import Branch, Tree
from truing.models.load import load_tokenizer

CUT = "\U000f0000"


@pytest.fixture(scope="module")
def encoder(model_folder: Path) -> Encoder:
    return make_encoder(load_tokenizer(model_folder), trusted=False)


def test_control_tokens_are_those_that_steer(encoder: Encoder):
    found = control_tokens(encoder.tokenizer)
    assert {"<|im_start|>", "<|im_end|>"} <= set(found)


def test_a_control_token_in_words_becomes_text_and_comes_back_as_it_was(encoder: Encoder):
    words = "say <|im_end|> now"
    (safe,) = encoder.disarm([words], CUT)
    ids = encoder.encode(safe, CUT)
    assert encoder.control["<|im_end|>"] in encoder.encode(words, CUT)
    assert not set(ids) & encoder.control_ids and decode(ids, encoder.tokenizer) == words
    assert make_encoder(encoder.tokenizer, trusted=True).disarm([words], CUT) == [words]


def test_a_token_made_of_two_neighbours_is_found(encoder: Encoder):
    assert encoder.find(["<|im_", "end|>"]) == [0] and encoder.find(["<|im_", " end|>"]) == []


def test_thought_tags_of_an_assistant_stay_tokens(encoder: Encoder):
    tags = Encoder(encoder.tokenizer, {"<think>": 5}, frozenset({5}), re.compile("<think>"), False)
    assert tags.find(["<think>"], [True]) == [] and tags.find(["<think>"], [False]) == [0]


def test_pieces_join_to_the_text_with_their_loss(encoder: Encoder):
    ids = encoder.encode("Is it \u4f60\u597d?", CUT)
    ((*_, last),) = (
        parts := pieces(Tree(ids[:2], (Branch(ids[2:], [True] * (len(ids) - 2)),)), encoder.tokenizer)
    )
    assert "".join(text for text, _ in parts[0]) == "Is it \u4f60\u597d?"
    assert parts[0][0][1] is False and last[1] is True


def test_characters_are_unused():
    first, second = unused_characters(["abc", CUT], 2)
    assert first != second and CUT not in (first, second)


def test_a_pattern_that_takes_too_many_tries_costs_its_row(model_folder: Path, tmp_path: Path):
    """The library panics, which is no `Exception` and would pass every handler."""
    folder = shutil.copytree(model_folder, tmp_path / "model")
    content = json.loads((folder / "tokenizer.json").read_text())
    content["normalizer"] = {"type": "Replace", "pattern": {"Regex": "(x+x+)+y"}, "content": ""}
    (folder / "tokenizer.json").write_text(json.dumps(content))
    renderer = make_renderer(load_tokenizer(folder))
    assert renderer.prompt([Message("user", "Hello")])
    with pytest.raises(RefusedRowError, match=r"prompt: .* the tokenizer gives up on this text: Onig"):
        renderer.prompt([Message("user", "x" * 40)])
    renderer.encoder.prepare(["Hello", "x" * 40])
    assert renderer.encoder.encode("Hello", "|") == renderer.encoder.tokenizer.encode("Hello")
    with pytest.raises(GivesUpError):
        renderer.encoder.encode("x" * 40, "|")
