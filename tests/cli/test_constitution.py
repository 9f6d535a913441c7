"""`truing constitution` goes on after kill -9, asks nothing twice, and its errors name the place."""

import json
import os
import signal
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.serving import Reply, Request, Server, completion

from truing.config.holding import holder

ROWS = [{"prompt": f"How do I hurt number {n}?", "category": "violence"} for n in range(6)]
CONCURRENT, KILLED_AT = 2, 9  # in the middle of the revisions


class Critic:
    """A server that criticises and revises, counts its questions, and kills who works in a folder once."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.killed = folder, False
        self.asked: Counter[str] = Counter()
        self.server = Server(self._reply)

    def _reply(self, request: Request) -> Reply:
        text = request.body["messages"][0]["content"]
        self.asked[text] += 1
        if self.asked.total() == KILLED_AT and not self.killed:
            self.killed = True
            worker = holder(self.folder)
            assert worker is not None
            os.kill(worker.pid, signal.SIGKILL)
            time.sleep(0.2)
        if not text.endswith("NEEDS REVISION: no"):
            return completion(f"I can't help with that: {len(self.asked)}.")
        return completion("Bad.\nNEEDS REVISION: " + ("no" if "I can't" in text else "yes"))


@pytest.fixture
def critic(tmp_path: Path) -> Iterator[Critic]:
    found = Critic(tmp_path / "out")
    yield found
    found.server.close()


@pytest.fixture
def prompts(tmp_path: Path) -> Path:
    path = tmp_path / "prompts.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    return path


def test_a_killed_pass_goes_on_and_asks_nothing_twice(truing, model_folder, prompts, critic, tmp_path):
    role = f"{{model: m, base_url: '{critic.server.url}/v1', api_key_env: null, concurrency: {CONCURRENT}}}"
    roles = ["--policy", model_folder, "--critic", role, "--reviser", role]
    keys = ["--set", "max_new_tokens=4", "--set", "helpful_per_revision=0", "--output", tmp_path / "out"]
    ended = truing("constitution", prompts, *roles, *keys)
    assert ended.returncode == -signal.SIGKILL
    assert critic.killed
    assert not (tmp_path / "out" / "rows.jsonl").exists()
    done = truing("constitution", prompts, *roles, *keys)
    assert done.returncode == 0, done.stderr
    assert "6 of 6 prompts revised" in done.stderr
    assert "next: " in done.stderr
    assert critic.asked.total() - len(critic.asked) <= CONCURRENT, "only what was in flight is asked again"


def test_a_bad_constitution_is_told_with_its_line(truing, model_folder, prompts, tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text("principles:\n  - id: kind\n    tags: [general]\n    revision: Be kind.\n")
    done = truing("constitution", prompts, "--policy", model_folder, "--principles", path)
    assert done.returncode == 2
    assert f"{path}:2: the principle 'kind' has no critique" in done.stderr
    assert "Traceback" not in done.stderr
