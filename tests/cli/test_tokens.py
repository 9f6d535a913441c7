"""Rows as tokens in the terminal, which no row can steer."""

from pathlib import Path

from truing.cli import tokens as module
from truing.cli.tokens import show_trees, visible
from truing.core.records import Record, reply, user
from truing.data.chat import make_renderer
from truing.models.load import load_tokenizer


def test_control_and_direction_characters_become_code_points():
    assert visible("a\x1b[31m\u202eb\n") == "a\\u001b[31m\\u202eb\n"


def test_trained_tokens_stand_in_brackets_without_colour(model_folder: Path):
    tokenizer = load_tokenizer(model_folder)
    tree = make_renderer(tokenizer).tree(Record(user("Is it?"), (reply("Yes."), reply("No."))))
    with module.console.capture() as captured:
        show_trees([tree], tokenizer)
    first, second = captured.get().split("[1.1]")[1].split("[1.2]")
    assert "Is it?" in first and "\u27e6Y" in first and "\u27e6I" not in first
    assert "\u27e6N" in second
