"""J1, J6, X9: a reward that goes wrong ends a run with one message and a checkpoint; the command goes on."""

import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest

from truing.core.records import user
from truing.judges.fields import VERDICT
from truing.judges.opinions import NoVerdictError
from truing.judges.reading import read_field
from truing.rewards.build import rule_reward
from truing.rewards.rules import RULES
from truing.rewards.types import Item

OWN = """
import sys
from pathlib import Path

calls = []

def leaves(responses):
    calls.append(1)
    if len(calls) > 2 and not Path("mended").exists():
        raise KeyboardInterrupt("of the function")
    return [float(len(text) % 7) for text in responses]
"""


@pytest.mark.parametrize("served", [False, True], ids=["own", "judge"])
def test_a_reward_that_fails_stops_with_a_checkpoint(
    recipe: Callable[..., Path], here: Callable, model_folder: Path, tmp_path: Path, served: bool
) -> None:
    (tmp_path / "leaving_rewards.py").write_text(OWN)
    (tmp_path / "asked.jsonl").write_text("".join(f'{{"prompt": "what is {n}?"}}\n' for n in range(4)))
    judge = {"name": "judge", "model": "m", "base_url": "http://127.0.0.1:1/v1", "api_key_env": None}
    own = {"name": "leaving_rewards:leaves", "retries": 0}
    path = recipe(
        method="grpo",
        data={"train": [str(tmp_path / "asked.jsonl")]},
        rewards=[judge | {"retries": 0} if served else own],
        sampling={"max_new_tokens": 4},
        online={"group_size": 2},
        optim={"learning_rate": 1e-3, "items_per_step": 2, "epochs": 2},
    )
    ended = here("train", path, "--trust-code")
    assert ended.returncode == 6, ended.stderr
    assert "Traceback" not in ended.stderr
    said = " ".join(ended.stderr.split())
    if served:
        assert "m on item 0" in said
        assert "the connection failed" in said
        return
    assert "leaving_rewards:leaves on item 0" in said
    assert "asked.jsonl:" in said
    assert "raised KeyboardInterrupt: of the function" in said
    assert [one.name for one in (tmp_path / "run" / "checkpoints").iterdir()] == ["step-000002"]
    (tmp_path / "mended").touch()
    assert here("train", path, "--trust-code").returncode == 0


MARKS = ("(((((((", "[[[[[[[", "\\boxed{")
HOSTILE = ["__import__('os').system('touch ran')", "9**9**9", *(mark * 150_000 for mark in MARKS)]


@pytest.mark.parametrize("text", HOSTILE, ids=lambda text: text[:12])
def test_no_grader_runs_what_a_model_answers(
    text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    item = Item(user("2 + 2?"), text, reference="4", tokens=9)
    rules = [rule_reward(name, {}) for name in ("math", "numeric", "exact_match")]
    assert {"math", "numeric", "exact_match"} <= RULES.keys()
    tracemalloc.start()
    start = time.process_time()
    for rule in rules:
        rule([item])
    with pytest.raises(NoVerdictError):
        read_field(text, VERDICT)
    assert time.process_time() - start < 4
    assert tracemalloc.get_traced_memory()[1] < 200 * 2**20
    tracemalloc.stop()
    assert list(tmp_path.iterdir()) == []
