"""The promises in the help of `chat`, against what it prints; text that is no text, also for `sample`."""

import os
from pathlib import Path

import pytest

from truing.core.records import Message
from truing.models.trained import load_trained
from truing.sampling.speaker import Speaker
from truing.sampling.types import Sampling


@pytest.fixture(autouse=True)
def _wide(monkeypatch: pytest.MonkeyPatch):
    """Panels wide enough for the long paths of tests; lines must not depend on it."""
    monkeypatch.setenv("COLUMNS", "600")


def bare(text: str) -> str:
    return "".join(text.split())


def conversation(folder: Path, *said: str) -> list[str]:
    """The greedy responses of a model to a person's turns, each seeing all turns before it."""
    speaker, history, responses = Speaker.of(load_trained(str(folder))), [], []
    for text in said:
        history.append(Message("user", text))
        (sample,) = speaker.answer([history], Sampling(max_new_tokens=8))
        history.append(Message("assistant", sample.text))
        responses.append(sample.text)
    return responses


def panels(stdout: str) -> list[list[tuple[str, str]]]:
    """(title, text) of the panels side by side, for each turn; text without white space."""
    turns: list[list[tuple[str, str]]] = []
    for line in stdout.splitlines():
        cells = line[line.find("╭") :] if "╭" in line else line
        if cells.startswith("╭"):
            turns.append([(cell.strip("╭╮─ "), "") for cell in cells.split("╮╭")])
        elif cells.startswith("│"):
            texts = [bare(cell) for cell in cells.strip("│").split("││")]
            turns[-1] = [(title, text + new) for (title, text), new in zip(turns[-1], texts, strict=True)]
    return turns


def shown(response: str) -> str:
    """A response as a terminal may see it: control characters as their code points."""
    return bare("".join(f"\\u{ord(c):04x}" if ord(c) < 32 and c not in "\t\n" else c for c in response))


def test_chat_remembers_the_turns_before_and_ends_with_the_input(truing, model_folder):
    done = truing("chat", model_folder, "--max-new-tokens", 8, input="Hello there\nAnd again?\n")
    assert done.returncode == 0, done.stderr
    wanted = conversation(model_folder, "Hello there", "And again?")
    assert wanted[1] != conversation(model_folder, "And again?")[0], "the model does look at what came before"
    assert panels(done.stdout) == [[(str(model_folder), shown(text))] for text in wanted]


def test_chat_ends_at_an_empty_line(truing, model_folder):
    done = truing("chat", model_folder, "--max-new-tokens", 2, input="Hello\n  \nNot heard\n")
    assert done.returncode == 0, done.stderr
    assert len(panels(done.stdout)) == 1


def test_chat_against_shows_two_models_side_by_side_each_with_its_own_past(
    truing, model_folder, moved_folder
):
    said = "Hello there", "And again?"
    done = truing(
        "chat",
        moved_folder,
        "--against",
        model_folder,
        "--max-new-tokens",
        8,
        input="\n".join(said) + "\n",
    )
    assert done.returncode == 0, done.stderr
    left, right = conversation(model_folder, *said), conversation(moved_folder, *said)
    assert left[0] != right[0]
    assert panels(done.stdout) == [
        [(str(model_folder), shown(before)), (str(moved_folder), shown(after))]
        for before, after in zip(left, right, strict=True)
    ]


@pytest.mark.parametrize("verb", ["chat", "sample"])
def test_text_that_is_not_utf8_is_told_in_one_message(truing, model_folder, verb):
    given = os.fsdecode(b"caf\xe9")
    flags = ["--prompt", given] if verb == "sample" else []
    done = truing(verb, model_folder, *flags, input=f"{given}\n")
    assert done.returncode == 2, done.stderr
    assert "is not UTF-8 text" in done.stderr
    assert "Traceback" not in done.stderr
