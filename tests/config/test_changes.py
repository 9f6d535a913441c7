"""Differences with which a run goes on or not, and what is said of them."""

import pytest

from truing.config.changes import RecipeChange, compare, refuse_unsafe
from truing.core.errors import ConfigError

from ..tables import each

RECIPE = {
    "method": "dpo",
    "policy": "model",
    "lora": {"r": 16},
    "loss": {"name": None, "beta": 0.1},
    "optim": {"epochs": 1.0, "max_steps": 10, "items_per_step": 32},
    "checkpoint": {"every": 100},
    "seed": 0,
}


def changed(**sections: object) -> dict[str, object]:
    """RECIPE with some of the keys of some sections replaced."""
    return {**RECIPE, **{k: {**RECIPE[k], **v} if isinstance(v, dict) else v for k, v in sections.items()}}


@each(
    ("sections", "key", "safe"),
    [
        ({"optim": {"max_steps": 20}}, "optim.max_steps", True),
        ({"optim": {"max_steps": None}}, "optim.max_steps", True),
        ({"optim": {"max_steps": 5}}, "optim.max_steps", False),
        ({"optim": {"epochs": 2.0}}, "optim.epochs", True),
        ({"optim": {"epochs": 0.5}}, "optim.epochs", False),
        ({"optim": {"items_per_step": 64}}, "optim.items_per_step", False),
        ({"checkpoint": {"every": 5}}, "checkpoint.every", True),
        ({"output": "runs/b"}, "output", True),
        ({"seed": 1}, "seed", False),
        ({"loss": {"label_smoothing": 0.1}}, "loss.label_smoothing", False),
        ({"lora": None}, "lora", False),
        ({"checkpoints": 1}, "checkpoints", False),
    ],
)
def test_compare_tells_safe_changes_from_others(sections, key, safe):
    (change,) = compare(RECIPE, changed(**sections))
    assert (change.key, change.safe) == (key, safe)


def test_refused_changes_are_listed_with_their_meaning_and_the_flag():
    changes = compare(RECIPE, changed(seed=1, optim={"items_per_step": 64, "max_steps": 20}))
    with pytest.raises(ConfigError) as caught:
        refuse_unsafe(changes)
    message = str(caught.value)
    assert "seed: was 0, is 1" in message
    assert "optim.items_per_step: was 32, is 64 (every step averages over another number of rows" in message
    assert "max_steps" not in message
    assert "--allow-change optim.items_per_step --allow-change seed" in caught.value.hint
    with pytest.raises(ConfigError, match="seed"):
        refuse_unsafe(changes, ["optim"])
    refuse_unsafe(changes, ["optim", "seed"])


@pytest.mark.parametrize("key", ["tokens_per_pass", "packing", "activation_checkpointing"])
def test_what_moves_the_last_bits_alone_is_safe_and_says_so(key):
    (change,) = compare({key: 1}, {key: 2})
    assert change.safe
    assert change.told == f"{key}: was 1, is 2 (the last bits of numbers may differ)"


@pytest.mark.parametrize(
    ("was", "now", "safe"),
    [
        ({"servers": ["http://a"]}, {"servers": ["http://b", "http://c"]}, True),
        ({"servers": []}, {"servers": ["http://b"]}, False),  # this machine drew before
        ({"wait": 600.0, "timeout": 600.0}, {"wait": 60.0, "timeout": 600.0}, True),
        ({"servers_file": "a.txt"}, {"servers_file": "b.txt"}, True),
    ],
)
def test_a_run_goes_on_with_other_servers(was: dict, now: dict, safe: bool):
    (change,) = compare({"sampling": was}, {"sampling": now})
    assert change.safe is safe


def test_a_key_that_came_later_and_has_its_default_is_no_change():
    """A run of an earlier version goes on; with another value it is another recipe."""
    old = {"data": {"train": ["t"]}}
    assert compare(old, {"data": {"train": ["t"], "max_tokens": 2048}}) == []
    (change,) = compare(old, {"data": {"train": ["t"], "max_tokens": 99}})
    assert (change.key, change.was, change.safe) == ("data.max_tokens", "(not set)", False)


def test_a_hash_is_shown_by_its_beginning():
    change = RecipeChange("models.policy.config", "ab" * 32, "cd" * 32, safe=False)
    assert change.told.startswith("models.policy.config: was abababababab…, is cdcdcdcdcdcd… (the files have")
