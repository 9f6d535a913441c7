"""A tiny policy learns, through `truing train`, what only the prompt tells: which case to write in."""

import json
import statistics
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from truing.cli.main import main
from truing.config.run_folder import read_metrics
from truing.methods.online import ONLINE

REWARD = '''
def in_case(responses, case):
    """Share of a response's characters that are ASCII letters in the case its row asks for."""
    def right(character, asked):
        return character.isascii() and (character.isupper() if asked == "upper" else character.islower())

    pairs = zip(responses, case)
    return [sum(right(c, asked) for c in text) / len(text) if text else 0.0 for text, asked in pairs]
'''


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A working directory with the reward and eight prompts, half of which ask for each case."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "toy_case.py").write_text(REWARD)
    # A random policy hardly attends: a prompt that is all one word changes its states most.
    rows = [{"prompt": " ".join([word] * 5), "case": word.lower()} for word in ("UPPER", "lower")] * 4
    (tmp_path / "prompts.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    yield tmp_path
    sys.modules.pop("toy_case", None)


EPOCHS = {"ppo": 40}  # a step of PPO is eight updates of two roles


def recipe(method: str, policy: Path) -> dict[str, Any]:
    """No KL: from random weights, letters of one case alone are 15 nats away."""
    return {
        "method": method,
        "policy": str(policy),
        "data": {"train": ["prompts.jsonl"]},
        "lora": None,
        "rewards": [{"name": "toy_case:in_case"}],
        "sampling": {"max_new_tokens": 6},
        "online": {"group_size": 8},
        "loss": {"kl_weight": 0.0, "entropy_weight": 0.01},
        "optim": {"learning_rate": 1e-2, "items_per_step": 8, "epochs": EPOCHS.get(method, 80)},
        "dtype": "float32",
        "output": "run",
    }


@pytest.mark.parametrize("method", ONLINE)
def test_a_toy_policy_learns_what_its_prompts_ask_for(method, model_folder, here, monkeypatch):
    """A policy deaf to its prompts gets 0.5 at most: what is right for one half is wrong for the other."""
    (here / "recipe.json").write_text(json.dumps(recipe(method, model_folder)))
    monkeypatch.setattr(sys, "argv", ["truing", "train", "recipe.json"])
    with pytest.raises(SystemExit) as end:
        main()
    assert not end.value.code
    rewards = [row["reward"] for row in read_metrics(here / "run")]
    assert rewards[0] < 0.5
    assert statistics.mean(rewards[-5:]) > 0.9
