"""A recipe for the tiny model folder, and the command line run as users run it."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from truing.cli.main import main


@dataclass(frozen=True)
class Ended:
    """How a verb ended, and what it printed."""

    returncode: int
    stdout: str
    stderr: str


@pytest.fixture
def here(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> Callable[..., Ended]:
    """Runs `truing ARGS` in an empty folder, in this process: torch is imported already."""
    monkeypatch.chdir(tmp_path)

    def run(*args: object) -> Ended:
        monkeypatch.setattr(sys, "argv", ["truing", *map(str, args)])
        with pytest.raises(SystemExit) as ended:
            main()
        printed = capfd.readouterr()
        code = ended.value.code
        return Ended(code if isinstance(code, int) else 0, printed.out, printed.err)

    return run


@pytest.fixture
def recipe(model_folder: Path, pairs_file: Path, tmp_path: Path) -> Callable[..., Path]:
    """Writes a recipe for the tiny model; keyword arguments replace top-level keys."""

    def write(name: str = "recipe.json", **changes: object) -> Path:
        content = {
            "method": "dpo",
            "policy": str(model_folder),
            "data": {"train": [str(pairs_file)]},
            "lora": {"r": 4, "dropout": 0.1},
            "optim": {"learning_rate": 1e-3, "items_per_step": 3, "epochs": 2},
            "checkpoint": {"every": 2},
            "dtype": "float32",
            "tokens_per_pass": 128,
            "output": str(tmp_path / "run"),
        }
        path = tmp_path / name
        path.write_text(json.dumps(content | changes))
        return path

    return write


@pytest.fixture(scope="session")
def truing() -> Callable[..., subprocess.CompletedProcess[str]]:
    """Runs `truing ARGS` in a process of its own."""

    def run(*args: object, **options) -> subprocess.CompletedProcess[str]:
        env = {
            **os.environ,
            "OMP_NUM_THREADS": "1",
            "HF_HUB_OFFLINE": "1",
            "NO_COLOR": "1",
            "TRUING_LANG": "en",
        }
        command = [sys.executable, "-m", "truing", *map(str, args)]
        return subprocess.run(command, capture_output=True, text=True, env=env, check=False, **options)

    return run
