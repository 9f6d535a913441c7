"""The command line asks about a recipe's code at a terminal, and elsewhere names the flag."""

import os
import pty
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from truing.cli import trusting
from truing.config import trust

RUNS = """
from pathlib import Path
Path('ran').touch()

def one(responses):
    return [1.0] * len(responses)
"""


@pytest.fixture(autouse=True)
def folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    (tmp_path / "stranger.py").write_text(RUNS)
    monkeypatch.setenv("TRUING_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(trust, "_consent", trust._Consent())
    return tmp_path


def test_without_a_terminal_nothing_of_it_runs(
    recipe: Callable[..., Path], truing: Callable, folder: Path
) -> None:
    asked = {"method": "grpo", "sampling": {"max_new_tokens": 2}}
    done = truing("check", recipe(**asked, rewards=[{"name": "stranger:one"}]), cwd=folder)
    assert done.returncode == 2
    assert "nobody has accepted" in done.stderr
    assert "importing torch" not in done.stderr
    refused = truing("check", recipe(**asked, rewards=[{"name": "os:system"}]), "--trust-code", cwd=folder)
    assert refused.returncode == 2
    assert "a module of Python itself" in refused.stderr
    assert not (folder / "ran").exists()


def test_the_flag_lets_it_run(recipe: Callable[..., Path], truing: Callable, folder: Path) -> None:
    path = recipe(
        method="grpo",
        data={"train": [str(_prompts(folder))]},
        sampling={"max_new_tokens": 2},
        rewards=[{"name": "stranger:one"}],
        optim={"learning_rate": 1e-3, "items_per_step": 2, "max_steps": 1},
    )
    done = truing("check", path, "--trust-code", cwd=folder)
    assert done.returncode == 0, done.stderr
    assert (folder / "ran").exists()


def _prompts(folder: Path) -> Path:
    path = folder / "asked.jsonl"
    path.write_text("".join(f'{{"prompt": "what is {n}?"}}\n' for n in range(4)))
    return path


@pytest.mark.parametrize(("answer", "accepted"), [("y\n", True), ("n\n", False), ("\n", False)])
def test_a_person_at_a_terminal_is_asked_with_the_file_and_its_hash(
    answer: str,
    accepted: bool,
    monkeypatch: pytest.MonkeyPatch,
    folder: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    code = trust.NamedCode("stranger", folder / "stranger.py", "ab" * 32)
    ours, theirs = pty.openpty()
    os.write(ours, answer.encode())
    with os.fdopen(theirs, "r") as terminal:
        monkeypatch.setattr(sys, "stdin", terminal)
        monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
        trusting.settle_trust(False)
        assert trust._consent.ask is not None
        assert trust._consent.ask(code) is accepted
    os.close(ours)
    said = capsys.readouterr().err.replace("\n", "")
    assert str(code.file) in said
    assert code.sha256 in said
