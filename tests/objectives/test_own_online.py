"""Losses and credits of the user's own online: checked by their signature, tried, trained, kept on resume."""

import json
import sys
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from truing.config.names import require_losses
from truing.config.recipe import Recipe
from truing.config.run_folder import RunFolder, read_metrics
from truing.core.errors import ConfigError
from truing.methods.online import choose_online
from truing.objectives.binding import names_of
from truing.objectives.own_online import CREDIT_FORMS
from truing.objectives.policy_gradient import PolicyObjective
from truing.runs.opening import open_run
from truing.runs.run import run

NUMBERS = count()
LOSS = """
import torch

def surrogate(logps, old_logps, advantages, *, reach=0.2):
    ratio = (logps - old_logps).exp()
    return -torch.minimum(ratio * advantages, ratio.clamp(1 - reach, 1 + reach) * advantages)

def centred(rewards, group):
    means = torch.stack([rewards[group == one].mean() for one in group])
    return rewards - means

def weighed(logps, advantages, sampler_logps):
    return -(logps.detach() - sampler_logps).exp().clamp(max=2) * advantages * logps
"""
REWARD = """
def letters(responses):
    return [sum(c.islower() for c in text) / max(1, len(text)) for text in responses]
"""


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Writes a module of a new name into an empty working directory and gives its name."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    made: list[str] = []

    def write(source: str, name: str | None = None) -> str:
        made.append(name or f"online_{next(NUMBERS)}")
        sys.modules.pop(made[-1], None)
        (tmp_path / f"{made[-1]}.py").write_text(source)
        return made[-1]

    yield write
    for name in made:
        sys.modules.pop(name, None)


@pytest.fixture
def trained(model_folder: Path, tmp_path: Path):
    """Trains a recipe on prompts for three steps; gives the numbers of its steps."""
    rows = tmp_path / "prompts.jsonl"
    rows.write_text("".join(json.dumps({"prompt": f"Question {i}?"}) + "\n" for i in range(6)))

    def train(name: str, loss: dict[str, Any], reward: str, **changes: Any) -> list[dict[str, Any]]:
        recipe = {
            "method": "grpo",
            "policy": str(model_folder),
            "data": {"train": str(rows)},
            "lora": {"r": 4},
            "loss": loss,
            "rewards": [{"name": reward}],
            "sampling": {"max_new_tokens": 6},
            "online": {"group_size": 4, "mini_batches": 2},
            "optim": {"learning_rate": 1e-2, "items_per_step": 3, "max_steps": 3},
            "dtype": "float32",
            "output": str(tmp_path / name),
        }
        with RunFolder.open(tmp_path / name) as folder:
            run(open_run(Recipe.model_validate(recipe | changes)), folder)
            return read_metrics(folder.path)

    return train


def numbers(rows: list[dict[str, Any]], *keys: str) -> list[list[float]]:
    return [[row[key] for key in keys] for row in rows]


def test_a_run_with_an_own_loss_and_credit_is_that_of_the_tables_and_keeps_their_code(
    module, trained, tmp_path: Path
):
    name = module(LOSS, "own_of_run")
    told = ("loss/policy", "grad_norm", "reward", "approx_kl")
    reward = f"{module(REWARD)}:letters"
    own = {"name": f"{name}:surrogate", "credit": f"{name}:centred", "reach": 0.1}
    table = {"name": "clipped_surrogate", "credit": "group_centred", "low": 0.1, "high": 0.1}
    found = numbers(trained("own", own, reward), *told)
    for mine, theirs in zip(found, numbers(trained("table", table, reward), *told), strict=True):
        assert mine == pytest.approx(theirs, rel=1e-4, abs=1e-6)
    recorded = json.loads((tmp_path / "own" / "config.json").read_text())["recipe"]["resolved"]
    assert recorded["loss"] == {"name": f"{name}:surrogate", "reach": 0.1}
    assert set(recorded["loss_files"]) == {f"{name}:surrogate", f"{name}:centred"}
    module(LOSS.replace("ratio * advantages,", "2 * ratio * advantages,"), name)
    with pytest.raises(ConfigError, match=rf"resolved.loss_files.{name}:surrogate: was "):
        trained("own", own, reward)


def test_an_own_loss_may_weigh_what_the_sampler_reported(module, trained):
    name = module(LOSS)
    rows = trained("run", {"name": f"{name}:weighed"}, f"{module(REWARD)}:letters")
    assert all(abs(row["loss/policy"]) < 10 for row in rows)
    assert any(row["grad_norm"] > 0 for row in rows)


def test_its_keyword_arguments_are_hyper_parameters(module):
    name = module(LOSS)
    found = choose_online("grpo", f"{name}:surrogate", {"reach": 0.3})
    assert found.loss.hyper == {"reach": 0.3}
    assert found.described["loss"] == {"name": f"{name}:surrogate", "reach": 0.3}
    with pytest.raises(ConfigError, match=r"not 'reech'; did you mean 'reach'\?"):
        choose_online("grpo", f"{name}:surrogate", {"reech": 0.3})


def test_a_credit_that_takes_values_brings_a_critic(module):
    name = module("def f(token_rewards, values, response):\n    return token_rewards - values\n")
    assert choose_online("grpo", None, {"credit": f"{name}:f"}).needs_critic
    assert not choose_online("grpo", None, {}).needs_critic


def test_names_pass_the_check_before_torch_is_imported():
    require_losses("grpo", ["my_file:my_loss"])


L, C = "loss", "credit"
ONE = "expected one number per token, a tensor of shape "
WRONG = [
    (
        L,
        "def f(logps, reward): ...",
        "takes logps, reward; grpo supplies logps, old_logps, advantages, response, sampler_logps",
    ),
    (L, "def f(logp, advantages): ...", r"did you mean 'logps'\?"),
    (L, "def f(advantages): ...", "does not take logps, so nothing would be learnt"),
    (L, "def f(logps, *, kl_weight=1.0): ...", "that key of loss: is taken"),
    (L, "def f(logps, *, low): ...", "a hyper-parameter needs a default"),
    (L, "def f(logps):\n    return logps.mean()", ONE + r"\[10\]"),
    (L, "def f(logps):\n    return -logps.detach()", "made of logps, attached"),
    (L, "def f(logps):\n    return logps - logps.mean()", "another loss when other responses stand beside"),
    (
        L,
        "def f(logps):\n    return unheard",
        r"made-up responses: NameError: .* \(online_\d+.py:2\)",
    ),
    (
        C,
        "def f(rewards, values): ...",
        "to a credit grpo supplies rewards, group or token_rewards, response, values",
    ),
    (C, "def f(group): ...", "does not take rewards, so nothing would be learnt"),
    (C, "def f(rewards):\n    return rewards.mean()", r"one number per response, a tensor of shape \[4\]"),
    (C, "def f(token_rewards):\n    return token_rewards[:4]", ONE + r"\[10\]"),
    (C, "def f(rewards):\n    return None", "gives a NoneType"),
]


@pytest.mark.parametrize(("kind", "source", "told"), WRONG, ids=[told for *_, told in WRONG])
def test_a_mistake_says_what_came_and_what_is_expected(module: Callable[..., str], kind, source, told):
    name = f"{module(source)}:f"
    with pytest.raises(ConfigError, match=told):
        choose_online("grpo", name if kind == L else None, {"credit": name} if kind == C else {})


def test_the_documentation_lists_what_is_supplied():
    page = (Path(__file__).parents[2] / "docs" / "methods" / "online.md").read_text("utf-8")
    for names in (names_of(PolicyObjective.supplies), *CREDIT_FORMS):
        assert ", ".join(f"`{name}`" for name in names) in page, names
