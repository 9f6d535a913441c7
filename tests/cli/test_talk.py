"""The promises in the help of `chat` and `sample`, against what they print."""

import json
import os
from pathlib import Path

import pytest

from truing.core.records import Message
from truing.data.load import load_records
from truing.models.trained import load_trained
from truing.sampling.speaker import Speaker
from truing.sampling.types import Sampling


@pytest.fixture(autouse=True)
def _wide(monkeypatch: pytest.MonkeyPatch):
    """Panels wide enough for the long paths of tests; lines must not depend on it."""
    monkeypatch.setenv("COLUMNS", "600")


def write(path: Path, *rows: dict) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def bare(text: str) -> str:
    return "".join(text.split())


# chat


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


# sample


def test_sample_prints_one_json_line_per_response_siblings_together(truing, model_folder, tmp_path):
    file = write(tmp_path / "prompts.jsonl", {"prompt": "From a file"})
    flags = ["--k", 2, "--temperature", 1, "--seed", 3, "--max-new-tokens", 6]
    done = truing("sample", model_folder, "--prompt", "One", "--prompt", "Two", "--file", file, *flags)
    assert done.returncode == 0, done.stderr
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    prompts = ["One", "Two", "From a file"]
    assert [(row["prompt"], row["k"]) for row in rows] == [
        ([{"role": "user", "content": prompt}], k) for prompt in prompts for k in (0, 1)
    ]
    speaker = Speaker.of(load_trained(str(model_folder)))
    wanted = speaker.answer(prompts, Sampling(max_new_tokens=6, temperature=1, seed=3), group_size=2)
    assert [(row["response"], row["finish"]) for row in rows] == [(s.text, s.finish) for s in wanted]
    assert rows[0]["response"] != rows[1]["response"]


def test_sample_writes_rows_that_truing_reads(truing, model_folder, tmp_path):
    out = tmp_path / "new" / "said.jsonl"
    done = truing("sample", model_folder, "--prompt", "One", "--max-new-tokens", 3, "--out", out)
    assert done.returncode == 0, done.stderr
    assert done.stdout == ""
    (record,) = load_records(out).records
    assert record.prompt == (Message("user", "One"),)
    (greedy,) = Speaker.of(load_trained(str(model_folder))).answer(["One"], Sampling(max_new_tokens=3))
    assert record.chosen.text == greedy.text


def test_sample_without_a_prompt_says_how_to_give_one(truing, model_folder):
    done = truing("sample", model_folder)
    assert done.returncode == 2
    assert "--prompt" in done.stderr


def test_shards_of_sample_merge_into_the_rows_of_one_process(here, model_folder, tmp_path):
    prompts = write(tmp_path / "prompts.jsonl", *[{"prompt": f"Question {i}?"} for i in range(5)])
    drawn = ["sample", model_folder, "--file", prompts, "--k", 2, "--max-new-tokens", 6, "--temperature", 1]
    whole, merged = tmp_path / "whole.jsonl", tmp_path / "drawn.jsonl"
    assert here(*drawn, "--output", whole).returncode == 0
    for shard in ("2/2", "1/2"):
        done = here(*drawn, "--output", merged, "--shard", shard)
        assert done.returncode == 0, done.stderr
    pattern = tmp_path / "drawn-*-of-00002.jsonl"
    assert f"truing data merge '{pattern}' --output {merged}" in done.stderr
    again = here(*drawn, "--output", merged, "--shard", "2/2")
    assert "wrote 4 responses" in again.stderr and again.returncode == 0
    done = here("data", "merge", pattern, "--output", merged)
    assert done.returncode == 0, done.stderr
    assert merged.read_bytes() == whole.read_bytes()


def test_a_shard_without_a_file_or_with_another_seed_is_refused(here, model_folder, tmp_path):
    prompts = write(tmp_path / "prompts.jsonl", {"prompt": "Why?"})
    drawn = [
        "sample",
        model_folder,
        "--max-new-tokens",
        2,
        "--shard",
        "1/1",
        "--output",
        tmp_path / "a.jsonl",
    ]
    bare_prompt = here(*drawn, "--prompt", "Why?")
    assert bare_prompt.returncode == 2 and "--shard takes the prompts of --file" in bare_prompt.stderr
    assert here(*drawn, "--file", prompts).returncode == 0
    other = here(*drawn, "--file", prompts, "--seed", 7)
    assert other.returncode == 2 and "begun with another request" in other.stderr
