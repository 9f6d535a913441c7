"""Names of other toolkits lead to keys, methods and losses that exist."""

import re

import pytest
from pydantic import BaseModel

from truing.config.config import _section
from truing.config.foreign import LOSSES, METHODS, PEERS, Ours, ours_of, told_key, told_loss, told_method
from truing.config.recipe import Recipe
from truing.methods.offline import OFFLINE, choose
from truing.methods.online import ONLINE, choose_online
from truing.objectives.binding import defaults_of


def keys_of(section: type[BaseModel], prefix: str = "") -> set[str]:
    """Every dotted key of a recipe, sections included."""
    found = set()
    for name, field in section.model_fields.items():
        inner = _section(field.annotation)
        found |= {prefix + name} | (keys_of(inner, f"{prefix}{name}.") if inner else set())
    return found


def hyper_names() -> set[str]:
    """The keys that some method takes under `loss:`."""
    found = {key for one in OFFLINE.values() for key in one.options}
    found |= {key for one in OFFLINE.values() for loss in one.losses.values() for key in defaults_of(loss)}
    for name in ONLINE:
        chosen = choose_online(name, None)
        found |= {"credit", "aggregation", "kl", "correction", *chosen.described, *chosen.loss.hyper}
    return found


def test_every_counterpart_is_a_key_that_some_recipe_takes():
    known = keys_of(Recipe) | {f"loss.{name}" for name in hyper_names()}
    named = {ours.key for table in PEERS.values() for ours in table.values()}
    assert named - known == {""}  # nothing but keys without a counterpart


def test_a_key_means_the_same_whichever_toolkit_it_is_of():
    meanings: dict[str, set[str]] = {}
    for table in PEERS.values():
        for key, ours in table.items():
            meanings.setdefault(key, set()).add(ours.key)
    assert {key: found for key, found in meanings.items() if len(found) > 1} == {}


def test_what_has_no_counterpart_says_why():
    assert all(ours.key or ours.note for table in PEERS.values() for ours in table.values())


def test_no_row_hides_a_key_of_a_recipe():
    """A table row for a key that is ours in the same place would never be read."""
    ours = set(Recipe.model_fields) - {"packing", "dtype"}
    assert not ours & {key for table in PEERS.values() for key in table}


def test_methods_and_losses_lead_to_what_there_is():
    for told in METHODS.values():
        (method,) = re.findall(r"method: (\w+)", told)
        assert method in OFFLINE | ONLINE
        for loss in re.findall(r"loss\.name: (\w+)", told):
            choose_online(method, loss) if method in ONLINE else choose(method, loss, {})
    for method, table in LOSSES.items():
        for told in table.values():
            for loss in re.findall(r"loss\.name: (\w+)", told):
                choose_online(method, loss) if method in ONLINE else choose(method, loss, {})
    assert not METHODS.keys() & (OFFLINE | ONLINE).keys()


@pytest.mark.parametrize(
    ("key", "told"),
    [
        ("lr", "it is optim.learning_rate here"),
        ("cutoff_len", "it is data.max_tokens here"),
        ("bf16", "it is dtype here: auto, float32 or bfloat16"),
        ("report_to", "it is track here: [tensorboard, wandb]"),
        (
            "logging_steps",
            "it has no counterpart here: every step is logged to metrics.jsonl in the run folder",
        ),
        ("sede", ""),
    ],
)
def test_a_key_is_told_with_ours(key: str, told: str):
    assert told_key(key) == told


def test_methods_and_losses_are_told():
    assert ours_of("model") == Ours("policy")
    assert ours_of("method") is None
    assert told_method("rm") == "it is method: reward here"
    assert told_method("dpoo") == ""
    assert told_loss("dpo", "sigmoid") == "it is loss.name: dpo here"
    assert told_loss("cpo", "hinge") == "it is loss.name: cpo_hinge here"
    assert told_loss("kto", "sigmoid") == ""
