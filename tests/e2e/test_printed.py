"""Run the documentation's commands as printed, on the model they name: `make test-docs`.

They run in the order of the pages in one folder, `build/docs`, for a page may build on the runs of those
before it. A command that passed is written down there and not run again: started again, the tests go on.
"""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from ..printed import ELSEWHERE, MODEL, PRINTED, ROOT, Command, is_placeholder
from ..vllm_server import PYTHON, killable
from ..voted import pairs, project

STAND_INS = {
    "PAIRS.jsonl": "examples/rows/preferences.jsonl",
    "PROMPTS.jsonl": "examples/rows/prompts.jsonl",
    "PROMPTS": "examples/rows/prompts.jsonl",
    "MODEL": MODEL,
    "MODEL_A": MODEL,
    "MODEL_B": "runs/dpo",
    "JUDGE": MODEL,
}
PEERS = ("vs_trl", "grpo_vs_trl")  # need an environment of their own, which `make bench` makes
NOT_RUN = ELSEWHERE | {"make", "pip", "source"}
PLACE = ROOT / "build" / "docs"
PASSED = PLACE / "passed.jsonl"
SERVES = re.compile(r"truing (runs|arena|annotate)\b(?! (add|invite|status|export|import|stats|prioritise))")
STOPPED = (0, 130)  # the exit codes of a server that Ctrl-C ends


def to_run() -> Iterator[str]:
    """The printed commands that this machine can run, each once and in the order of the pages."""
    yield "truing quickstart"  # what `make quickstart` runs
    for text in PRINTED:
        command = Command("", text, True)
        for capital, instead in STAND_INS.items():
            text = re.sub(rf"(?<![\w./]){re.escape(capital)}(?![\w.])", instead, text)
        peer = any(name in text for name in PEERS) and not (ROOT / ".venv-bench").exists()
        words = Command("", text, True).words
        runs = command.program not in NOT_RUN and words[1] != "-m"
        runs &= "gpu.py" not in text or "--device cpu" in text or torch.cuda.is_available()
        if runs and not peer and not any(map(is_placeholder, words)):
            yield text


def passed() -> set[str]:
    lines = PASSED.read_text(encoding="utf-8").splitlines() if PASSED.exists() else []
    return {json.loads(line)["command"] for line in lines}


@pytest.fixture(scope="module")
def workspace() -> Path:
    """The folder of all commands, with what pages take as given: rows, recipes, and projects with votes."""
    PLACE.mkdir(parents=True, exist_ok=True)
    for name in ("recipes", "examples", "benchmarks", "docs"):
        if not (PLACE / name).exists():
            (PLACE / name).symlink_to(ROOT / name)
    if not (PLACE / "votes.db").exists():
        project(PLACE, pairs("12" * 60), pairs("1122" * 30), name="votes.db").close()
    return PLACE


@pytest.fixture(scope="module")
def model_server(workspace: Path) -> Iterator[None]:
    """A vLLM server at the port that the pages name, under each name that they give its model."""
    if PYTHON is None:
        pytest.skip("asks a server of a model: set TRUING_VLLM_PYTHON to a Python with vllm")
    if not (workspace / "served").exists():
        run(["truing", "export", MODEL, "served"], workspace)
    names = ("--served-model-name", "qwen3", MODEL, "--max-model-len", "2048")
    with killable(workspace / "served", workspace / "served.log", 8000, *names):
        yield


def run(words: list[str], folder: Path, given: str = "Hello\n") -> int:
    done = subprocess.run(words, cwd=folder, env=environment(), input=given, text=True, check=False)
    return done.returncode


def environment() -> dict[str, str]:
    return {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}


def serve(text: str, folder: Path) -> int:
    """Start a command that serves pages, wait for their address, and end it by Ctrl-C."""
    with subprocess.Popen(
        ["bash", "-c", f"exec {text}"],
        cwd=folder,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as server:
        assert server.stdout is not None
        assert any("http://" in line for line in server.stdout), f"{text}: it printed no address"
        server.send_signal(signal.SIGINT)
        return server.wait(60)


@pytest.mark.docs
@pytest.mark.parametrize("text", list(to_run()), ids=lambda text: text[:80])
def test_a_command_runs_as_printed(text: str, workspace: Path, request: pytest.FixtureRequest):
    if text in passed():
        pytest.skip(f"it passed before: {PASSED}; remove that file to run all again")
    if "localhost:8000" in text or "127.0.0.1:8000" in text:
        request.getfixturevalue("model_server")
    start = time.monotonic()
    if SERVES.match(text):
        assert serve(text, workspace) in STOPPED
    else:
        assert run(["bash", "-c", text], workspace) == 0
    with PASSED.open("a", encoding="utf-8") as kept:
        seconds = round(time.monotonic() - start)
        kept.write(json.dumps({"command": text, "seconds": seconds}, ensure_ascii=False) + "\n")
