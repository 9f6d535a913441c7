"""The verb on the command line: it goes on after a kill, and its rows train."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.serving import Reply, Request, Server, completion
from transformers import AutoModelForCausalLM, AutoTokenizer

import truing
from truing.api.watching import display_of
from truing.config.stages import load_stages
from truing.core.errors import ConfigError
from truing.core.files import MANIFEST
from truing.pipelines.stages import run_stages

ROWS = [{"prompt": f"How do I hurt number {n}?", "category": "violence"} for n in range(6)]
CONCURRENT = 2


@pytest.fixture
def prompts(tmp_path: Path) -> Path:
    path = tmp_path / "prompts.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    return path


class Counting:
    """A critic and reviser that answers slowly and counts questions by their text."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.slow = 0.15
        self.server = Server(self._reply)

    def _reply(self, request: Request) -> Reply:
        text = request.body["messages"][0]["content"]
        self.asked.append(text)
        time.sleep(self.slow)
        if not text.endswith("NEEDS REVISION: no"):
            return completion(f"I can't help with hurting number {len(self.asked)}.")
        return completion("Bad.\nNEEDS REVISION: " + ("no" if "I can't" in text else "yes"))


@pytest.fixture
def counting() -> Iterator[Counting]:
    found = Counting()
    yield found
    found.server.close()


@pytest.fixture
def command(model_folder: Path, prompts: Path, tmp_path: Path, counting: Counting) -> list[str]:
    role = json.dumps(
        {
            "name": "server",
            "model": "m",
            "base_url": f"{counting.server.url}/v1",
            "api_key_env": None,
            "concurrency": CONCURRENT,
        }
    )
    arguments = [str(prompts), "--policy", str(model_folder), "--critic", role, "--reviser", role]
    sets = ["--set", "max_new_tokens=4", "--set", "helpful_per_revision=0", "--output", str(tmp_path / "out")]
    return [sys.executable, "-m", "truing", "constitution", *arguments, *sets]


def test_a_killed_pass_goes_on_and_asks_nothing_twice(command: list[str], counting: Counting, tmp_path: Path):
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 120
    while len(counting.asked) < 9 and time.monotonic() < deadline:  # in the middle of the revisions
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert len(counting.asked) >= 9
    assert not (tmp_path / "out" / "rows.jsonl").exists()
    time.sleep(3 * counting.slow)  # what is on its way ends
    counting.slow = 0
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "6 of 6 prompts revised" in done.stderr
    assert "next: truing train" in done.stderr
    again = len(counting.asked) - len(set(counting.asked))
    assert again <= CONCURRENT, "only what was in flight"


def test_from_python_twice(model_folder: Path, tmp_path: Path):
    keys = {"max_new_tokens": 4, "helpful_per_revision": 1.0, "output": tmp_path / "out", "progress": False}
    first = truing.constitution(ROWS[:2], str(model_folder), critic="rule", reviser="rule", **keys)
    assert first.counts["revised"] == 2
    assert first.sft.is_file()
    assert first.page.is_file()
    again = truing.constitution(ROWS[:2], str(model_folder), critic="rule", reviser="rule", **keys)
    assert again.results == first.results
    with pytest.raises(ConfigError, match="other rows"):
        truing.constitution(ROWS[2:4], str(model_folder), **keys)


def test_a_loaded_model_is_a_policy(model_folder: Path, tmp_path: Path):
    model = AutoModelForCausalLM.from_pretrained(model_folder)
    tokenizer = AutoTokenizer.from_pretrained(model_folder)
    keys = {"max_new_tokens": 4, "helpful_per_revision": 0, "output": tmp_path / "out", "progress": False}
    found = truing.constitution(ROWS[:1], model, tokenizer=tokenizer, **keys)
    assert found.counts["prompts"] == 1


def test_the_rows_train_a_reward_model_and_a_policy(model_folder: Path, tmp_path: Path, monkeypatch):
    """Every stage of the shipped pipeline, one step each."""
    root = Path(truing.__file__).parents[2]
    monkeypatch.chdir(tmp_path)
    (tmp_path / "examples").symlink_to(root / "examples")
    keys = {"limit": 8, "max_new_tokens": 12, "progress": False}
    recipe = root / "recipes/constitution.yaml"
    truing.constitution(policy=str(model_folder), recipe=recipe, **keys)
    names = ("sft", "reward", "rloo")
    flags = [f"shared.policy={model_folder}", "shared.dtype=float32", "stages.rloo.sampling.max_new_tokens=4"]
    flags += [f"stages.{name}.optim.items_per_step=4" for name in names]
    flags += [f"stages.{name}.optim.max_steps=1" for name in names]
    quiet = display_of(False)
    plan = run_stages(load_stages(root / "recipes/cai.yaml", flags), quiet.say, quiet.stage)
    assert [stage.name for stage in plan] == list(names)
    assert all((stage.result / MANIFEST).is_file() for stage in plan)
