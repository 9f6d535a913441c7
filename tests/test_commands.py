"""Every command that the documentation prints runs as printed.

`make test` reads each: its verb, options, files, recipe and the keys it sets; and starts short ones with one
step on a tiny model. `make test-docs` runs them all (`e2e/test_printed.py`).
"""

import argparse
import io
import json
import re
import runpy
import sys
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.main import get_command

from truing.cli.main import app, main
from truing.config.config import load_eval_recipe, load_recipe
from truing.config.constitution import ConstitutionRecipe
from truing.config.feedback import FeedbackRecipe
from truing.config.harden import is_hardening, load_hardening
from truing.config.reads import require_read
from truing.config.red_team import RedTeamRecipe
from truing.config.refusals import RefusalsRecipe
from truing.config.stages import load_stages
from truing.config.votes_loop import is_votes_loop, load_votes_loop
from truing.config.work import WorkRecipe, load_work
from truing.methods.offline import choose
from truing.methods.online import ONLINE, choose_online

from .printed import COMMANDS, ELSEWHERE, MODEL, PRINTED, PROGRAMS, ROOT, Command, is_placeholder
from .voted import pairs, project

FILE = re.compile(r"(?:recipes|examples|benchmarks|docs)/|.*\.(?:ya?ml|json|jsonl|gz|md|py)$")
OUTPUTS = {"--output", "--out"}


def test_there_are_commands():
    assert len(COMMANDS) > 80
    assert {command.page for command in COMMANDS} >= {
        "README.md",
        "benchmarks/vs_trl.py",
        "docs/first-run.md",
    }


def test_every_line_of_a_block_is_a_command_and_says_everything():
    for command in COMMANDS:
        assert command.program in PROGRAMS, f"{command.page}: {command.text}"
        assert "…" not in command.text, f"{command.page}: a placeholder is in capitals: {command.text}"
        assert "[--" not in command.text, f"{command.page}: {command.text}"


# Each program's commands, read


def parsed(words: list[str], *, whole: bool) -> tuple[str, dict[str, Any]]:
    """The verb and its arguments by name, as the command line reads them."""
    command: Any = get_command(app)
    context = command.make_context("truing", ["schema"])
    names, rest = [], words[1:]
    while hasattr(command, "commands"):
        name, command, rest = command.resolve_command(context, rest)
        names.append(name)
        if hasattr(command, "commands"):
            context = command.make_context(name, rest[:1], parent=context)
    try:
        found = command.make_context(names[-1], list(rest), parent=context).params
    except Exception as error:  # typer keeps its click, and so the class, to itself
        if whole or type(error).__name__ != "MissingParameter":
            raise
        found = {}
    return " ".join(names), found


WORK: dict[str, type[WorkRecipe]] = {  # verbs that make rows
    "feedback": FeedbackRecipe,
    "constitution": ConstitutionRecipe,
    "red-team": RedTeamRecipe,
    "data refusals": RefusalsRecipe,
}
MADE = ("rows.jsonl", "train.yaml", "failures.jsonl", "sft.jsonl", "preferences.jsonl")  # in their folders


def check_recipe(verb: str, path: Path, changes: list[str]) -> None:
    if verb == "eval":
        load_eval_recipe(path, changes)
        return
    if verb in WORK:
        load_work(WORK[verb], path, changes)
        return
    if verb == "run" and is_hardening(path):
        load_hardening(path, changes)
        return
    if verb == "run" and is_votes_loop(path):
        load_votes_loop(path, changes)
        return
    recipes = [stage.recipe for stage in load_stages(path, changes)] if verb == "run" else []
    for recipe in recipes or [load_recipe(path, changes).recipe]:
        require_read(recipe)
        if recipe.method in ONLINE:
            choose_online(recipe.method, recipe.loss.name, recipe.loss.hyper)
        else:
            choose(recipe.method, recipe.loss.mix or recipe.loss.name, recipe.loss.hyper)


def check_truing(command: Command) -> None:
    verb, given = parsed(command.words, whole=command.whole)
    told = (
        given.get("recipe") or given.get("stages") or (given.get("what") if verb in ("eval", *WORK) else None)
    )
    recipe = str(told or "")
    if recipe.endswith(".yaml") and not is_placeholder(recipe) and recipe not in made_on(command.page):
        check_recipe(verb, Path(recipe), list(given.get("set_") or ()))


def check_python(command: Command) -> None:
    words = command.words[1:]
    if words[0] == "-m":
        return
    script, arguments = ROOT / words[0], words[1:]
    before, path, argv = set(sys.modules), list(sys.path), sys.argv
    sys.argv, sys.path[:] = [str(script), *arguments], [str(script.parent), *path]
    try:
        with pytest.raises(Parsed):
            runpy.run_path(str(script), run_name="__main__")
    finally:
        sys.argv, sys.path[:] = argv, path
        for name in set(sys.modules) - before:
            if str(getattr(sys.modules[name], "__file__", "")).startswith(str(script.parent)):
                del sys.modules[name]
    changes = [after for word, after in pairwise(words) if word == "--set"]
    for recipe in (word for word in words if word.endswith(".yaml") and not is_placeholder(word)):
        check_recipe("train", Path(recipe), changes)


class Parsed(Exception):
    """A script has understood its arguments."""


def check_make(command: Command) -> None:
    target = command.words[1]
    assert re.search(rf"^{re.escape(target)}:", (ROOT / "Makefile").read_text(), re.MULTILINE), target


def check_pip(command: Command) -> None:
    """Nothing by the name of this package: no registry has it."""
    verb, *what = command.words[1:]
    assert verb in ("install", "wheel")
    assert not [word for word in what if word.split("[")[0] == "truing"]


def check_source(command: Command) -> None:
    folder = re.search(r"^VENV := (\S+)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert folder is not None
    assert command.words[1] == f"{folder.group(1)}/bin/activate"


CHECKS: dict[str, Callable[[Command], None]] = {
    "truing": check_truing,
    "python": check_python,
    "make": check_make,
    "pip": check_pip,
    "source": check_source,
}


def made_on(page: str) -> set[str]:
    """The files that the commands of a page leave behind, in the words they name them with."""
    made = set()
    for command in COMMANDS:
        if command.page == page:
            words = command.words
            made |= {after for word, after in pairwise(words) if word in OUTPUTS}
            if len(words) > 1 and words[1] in WORK:
                made |= {f"{words[1]}/{name}" for name in MADE}
            if words[:2] == ["truing", "init"] and len(words) > 2:
                made |= {f"{words[2]}.yaml"} | {f"runs/{Path(name).stem}" for name in (words[2], words[-1])}
    return made


def test_every_command_is_read_as_it_is_meant(monkeypatch: pytest.MonkeyPatch):
    original = argparse.ArgumentParser.parse_args

    def parse(parser: argparse.ArgumentParser, *given: Any) -> None:
        original(parser, *given)
        raise Parsed

    monkeypatch.setattr(argparse.ArgumentParser, "parse_args", parse)
    monkeypatch.chdir(ROOT)
    wrong = []
    for command in COMMANDS:
        if command.program in ELSEWHERE:
            continue
        try:
            CHECKS[command.program](command)
        except (Exception, SystemExit) as error:  # all of them are told at once
            wrong.append(f"{command.page}: {command.text}\n    {type(error).__name__}: {error}")
    assert not wrong, "\n".join(wrong)


def test_every_file_is_there_or_made_on_its_page():
    for command in COMMANDS:
        made = made_on(command.page)
        for word in command.words[1:] if command.program not in ELSEWHERE else []:
            if FILE.match(word) and not re.search(r"[\s=:{]", word) and not is_placeholder(word):
                assert (ROOT / word).exists() or word in made, f"{command.page}: {command.text}: {word}"


def test_every_run_is_a_recipes():
    recipes = [yaml.safe_load(path.read_text()) for path in (ROOT / "recipes").glob("*.yaml")]
    runs = {recipe["output"] for recipe in recipes}
    for command in COMMANDS:
        made = runs | made_on(command.page)
        for word in command.words:
            if word.startswith("runs/") and not is_placeholder(word):
                known = any(word == run or word.startswith(f"{run}/") for run in made)
                assert known, f"{command.page}: {command.text}: {word}"


# Short ones, started


def one_step(text: str, model: Path) -> list[str] | None:
    """The words of a short command with one step on a tiny model; None where it is none of them."""
    words = [word.replace(MODEL, str(model)) for word in Command("", text, True).words]
    if words[0] != "truing" or any(map(is_placeholder, words)):
        return None
    if words[1] in ("train", "check"):
        return [*words, "--set", f"policy={model}", "--set", "optim.max_steps=1"]
    short = ("data", "chat", "sample", "export", "score", "report", "doctor", "schema", "init")
    return words if words[1] in short else None


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with everything of the repository that commands read, and room for what they write."""
    for name in ("recipes", "examples", "benchmarks", "docs"):
        (tmp_path / name).symlink_to(ROOT / name)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def call(arguments: list[str], monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.setattr(sys, "argv", arguments)
    monkeypatch.setattr(sys, "stdin", io.StringIO("Hello\n"))
    with pytest.raises(SystemExit) as ended:
        main()
    return int(ended.value.code or 0)


def test_the_readmes_commands_follow_from_each_other(
    workspace: Path, model_folder: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
):
    started = []
    for command in (one for one in COMMANDS if one.page == "README.md" and one.whole):
        if words := one_step(command.text, model_folder):
            assert call(words, monkeypatch) == 0, f"{command.text}\n{capfd.readouterr().err}"
            started.append(words[1])
    assert {"init", "check", "train", "chat", "export", "score", "report"} <= set(started)


def test_recipes_with_changed_keys_start(
    workspace: Path, model_folder: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
):
    changed = [text for text in PRINTED if re.match(r"truing (train|check) \S+ .*--set ", text)]
    assert len(changed) >= 3
    project(workspace, pairs("1212"), name="votes.db").close()
    for text in changed:
        words = one_step(text, model_folder)
        assert words is not None
        assert call(words, monkeypatch) == 0, f"{text}\n{capfd.readouterr().err}"


def test_the_benchmark_of_learning_starts(
    workspace: Path, model_folder: Path, monkeypatch: pytest.MonkeyPatch
):
    (text,) = (text for text in PRINTED if "learning.py recipes/" in text)
    _, script, *rest = Command("", text, True).words
    rest += [
        "--set",
        f"policy={model_folder}",
        "--set",
        "optim.max_steps=1",
        "--set",
        "sampling.max_new_tokens=4",
    ]
    monkeypatch.setattr(sys, "argv", [script, *rest, "--samples", "1", "--held-out", "2"])
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    runpy.run_path(script, run_name="__main__")
    found = json.loads(Path("learning", "learning.json").read_text())
    assert (found["steps"], found["held_out"]) == (1, 2)
    del sys.modules["curves"]
