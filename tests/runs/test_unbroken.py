"""R1, R2: a run that was cut off ends as the unbroken one, every byte of its last checkpoint and of its logs.

Every method of the tables is cut in the middle of an epoch, with dropout where the method has it, three
passes or more to a step, and rows packed as trees. A new method is in the test once it is in its table.
"""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from truing.config.names import ONLINE_METHODS
from truing.config.recipe import Recipe
from truing.config.run_folder import RunFolder
from truing.methods.offline import OFFLINE
from truing.runs.online_session import OnlineSession
from truing.runs.opening import open_run
from truing.runs.run import run
from truing.training.hooks import Hook, Logs

from .ends import assert_same

OWN = '''
def letters(responses):
    """Share of a response's characters that are lower-case letters."""
    return [sum(c.isascii() and c.islower() for c in text) / len(text) if text else 0.0 for text in responses]
'''
UNPAIRED = {"kto", "bco"}
# Of each online method the settings that leave something between two steps, beside parameters and moments.
BETWEEN_STEPS: dict[str, dict[str, Any]] = {
    "ppo": {
        "online": {"group_size": 2, "epochs": 2, "mini_batches": 2},
        "loss": {"kl_weight": 0.1, "kl_target": 0.01, "kl_horizon": 100},
    }
}
Train = Callable[..., None]


@pytest.fixture(autouse=True)
def own_rewards(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    (tmp_path / "unbroken_rewards.py").write_text(OWN)
    monkeypatch.setenv("TRUING_CACHE", str(tmp_path / "cache"))
    monkeypatch.syspath_prepend(tmp_path)
    yield
    sys.modules.pop("unbroken_rewards", None)


@pytest.fixture
def train(model_folder: Path, pairs_file: Path, tmp_path: Path) -> Train:
    """Trains a method in a folder: six steps, three an epoch, a checkpoint every two."""

    def one(method: str, name: str, watch: Hook = lambda step, logs: None) -> None:
        recipe: dict[str, Any] = {
            "method": method,
            "policy": str(model_folder),
            "data": {"train": str(pairs_file), "eval_fraction": 0.1},
            "evaluate": {"every": 2},
            "optim": {"learning_rate": 1e-2, "items_per_step": 4, "epochs": 2, "weight_decay": 0.1},
            "checkpoint": {"every": 2, "keep": 9},
            "dtype": "float32",
            "lora": {"r": 4},
            "tokens_per_pass": 100,
            "packing": "trees",
            "output": str(tmp_path / name),
        }
        if method in ONLINE_METHODS:
            recipe |= {"rewards": [{"name": "unbroken_rewards:letters"}], "sampling": {"max_new_tokens": 5}}
            recipe |= {"online": {"group_size": 2}, **BETWEEN_STEPS.get(method, {})}
        else:
            recipe["lora"]["dropout"] = 0.1
            recipe["data"]["unpair"] = method in UNPAIRED
            recipe["optim"]["items_per_step"] *= 1 + (method in UNPAIRED)
        session = open_run(Recipe.model_validate(recipe))
        assert session.plan.total == 6
        with RunFolder.open(tmp_path / name) as folder:
            if isinstance(session, OnlineSession):
                session.log_sample = folder.log_sample
            else:
                assert len(session.passes(session.plan.items_of(1))) >= 3
            run(session, folder, watch=[watch])

    return one


def cut(step: int, logs: Logs) -> None:
    if step == 5:  # the second of three in its epoch; the last checkpoint is that of step 4
        raise KeyboardInterrupt


@pytest.mark.parametrize("method", [*OFFLINE, *ONLINE_METHODS])
def test_r1_every_method_ends_as_the_unbroken_run(method: str, train: Train, tmp_path: Path):
    train(method, "whole")
    with pytest.raises(KeyboardInterrupt):
        train(method, "cut", cut)
    train(method, "cut")
    assert_same(tmp_path / "cut", tmp_path / "whole")
