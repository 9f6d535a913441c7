"""What `chat`, `sample`, `doctor` and `schema` promise in their help, against what they print."""

import importlib.util
import json
import os
import shutil
from importlib import metadata
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from truing.config.config import load_recipe
from truing.config.documents import read_document
from truing.core.records import Message
from truing.data.load import load_records
from truing.models.trained import load_trained
from truing.sampling.speaker import Speaker
from truing.sampling.types import Sampling

ROOT = Path(__file__).parents[2]
RECIPES = [path for path in sorted((ROOT / "recipes").glob("*.yaml")) if "\nmethod:" in path.read_text()]


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
    started, model_folder, moved_folder
):
    said = "Hello there", "And again?"
    done = started(
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
def test_text_that_is_not_utf8_is_told_in_one_message(started, model_folder, verb):
    given = os.fsdecode(b"caf\xe9")
    flags = ["--prompt", given] if verb == "sample" else []
    done = started(verb, model_folder, *flags, input=f"{given}\n", errors="surrogateescape")
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


# doctor and schema


def test_doctor_says_what_the_machine_can_do(truing, tmp_path, monkeypatch):
    monkeypatch.setenv("TRUING_CACHE", str(tmp_path / "cache"))
    done = truing("doctor", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    rows = {line[:14].rstrip(): line[14:] for line in done.stdout.splitlines()}
    for library in ("torch", "transformers", "peft"):
        assert rows[library] == metadata.version(library)
    assert rows["model cache"] == str(tmp_path / "cache")
    assert rows["processor"].endswith(", 1 thread")  # what the fixture sets
    free = shutil.disk_usage(tmp_path).free / 1e9
    assert float(rows["disk"].split()[0]) == pytest.approx(free, abs=2)
    assert rows["bfloat16"]
    absent = [name for name in ("pyarrow", "zstandard") if importlib.util.find_spec(name) is None]
    assert ("for Parquet and .zst files" in done.stderr) == bool(absent)


def test_doctor_says_what_is_missing(started, tmp_path, monkeypatch):
    (tmp_path / "sitecustomize.py").write_text(
        "import shutil, sys, types\n"
        "sys.modules['zstandard'] = sys.modules['pyarrow'] = None\n"
        "shutil.disk_usage = lambda path: types.SimpleNamespace(free=1e9)\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    done = started("doctor")
    assert done.returncode == 0, done.stderr
    told = "missing: pyarrow and zstandard, for Parquet and .zst files: pip install pyarrow zstandard"
    assert told in done.stderr
    assert "missing: disk space" in done.stderr


def test_schema_accepts_every_shipped_recipe_and_refuses_a_misspelt_one(truing):
    done = truing("schema")
    assert done.returncode == 0, done.stderr
    schema = json.loads(done.stdout)
    assert schema["$schema"].startswith("https://json-schema.org/")
    allowed = Draft202012Validator(schema)
    assert len(RECIPES) >= 3
    for path in RECIPES:
        allowed.validate(read_document(path).plain())
        allowed.validate(load_recipe(path).recipe.model_dump(mode="json"))
    good = read_document(RECIPES[0]).plain()
    for bad, word in (
        (good | {"optim": {"learnng_rate": 1e-5}}, "learnng_rate"),
        (good | {"optim": {"epochs": 0}}, "minimum of 0"),
        (good | {"seed": "three"}, "integer"),
        ({key: good[key] for key in good if key != "policy"}, "required"),
    ):
        assert word in str(list(allowed.iter_errors(bad)))


def test_print_config_is_a_recipe_that_loads_to_the_same(truing, recipe, tmp_path, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    path = recipe()
    done = truing("check", path, "--print-config")
    assert done.returncode == 0, done.stderr
    printed = tmp_path / "printed.yaml"
    printed.write_text(done.stdout)
    assert load_recipe(printed).recipe == load_recipe(path).recipe
