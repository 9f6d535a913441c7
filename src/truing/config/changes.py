"""Differences between a run as it began and as it is asked to go on: told, refused, or let pass.

    compare(old recipe, new recipe) -> RecipeChange -> refuse_unsafe, or recorded in `config.json`

The record also holds what a run reads beside its recipe: `inputs` are files of rows, `models` the files of
every model, `resolved` the defaults that acted. A run of an earlier version has recorded fewer keys; a key
that its record lacks cannot be compared and counts as no change.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from truing.config.section import is_section
from truing.core.errors import ConfigError
from truing.core.messages import Sentence, joined, message
from truing.core.secrets import MASK

SAFE = (
    "checkpoint",
    "evaluate",
    "health",
    "track",
    "output",
    "tokens_per_pass",
    "activation_checkpointing",
    "packing",
    "sampling.timeout",
    "sampling.wait",
    "ranks",
    "resolved.dtype",  # follows from `dtype`, which is compared
    "resolved.device",
    "versions",
)
SAFE_WHEN_LARGER = ("optim.epochs", "optim.max_steps")
SAFE_WHEN_BOTH = (
    "sampling.servers",
    "sampling.servers_file",
)  # from some to others
LAST_BITS = "the last bits of numbers may differ"
MEANING = {
    "method": "another method continues from weights this one made",
    "policy": "the checkpoint holds other weights",
    "data.train": "the place in the rows no longer means the same rows",
    "seed": "the order of the rows changes half-way",
    "optim.items_per_step": "every step averages over another number of rows and an epoch has other steps",
    "models": "the files have changed under the same path",
    "resolved.reward_files": "the reward is another function half-way",
    "resolved.loss_files": "the loss is another function half-way",
    "inputs": "the file has changed under the same path",
    "tokens_per_pass": LAST_BITS,
    "packing": LAST_BITS,
    "ranks": LAST_BITS,
    "activation_checkpointing": LAST_BITS,
    "sampling.servers": LAST_BITS,
    "resolved.device": LAST_BITS,
    "versions": LAST_BITS,
}
ABSENT = "(not set)"
SHOWN = 12  # characters of a hash


@dataclass(frozen=True, slots=True)
class RecipeChange:
    """One key that differs between the record of a run and the new request."""

    key: str
    was: Any
    now: Any
    safe: bool

    @property
    def meaning(self) -> str:
        """Say what the change does; empty where its effect is not known."""
        parts = self.key.split(".")
        names = (".".join(parts[:count]) for count in range(len(parts), 0, -1))
        return next((MEANING[name] for name in names if name in MEANING), "")

    @property
    def told(self) -> Sentence:
        """`seed: was 0, is 1 (the order of the rows changes half-way)`."""
        fields = {"key": self.key, "was": _shown(self.was), "now": _shown(self.now)}
        if not self.meaning:
            return message("{key}: was {was}, is {now}", **fields)
        return message("{key}: was {was}, is {now} ({meaning})", **fields, meaning=message(self.meaning))

    def row(self) -> dict[str, Any]:
        return {"key": self.key, "was": self.was, "is": self.now}


def compare(old: Mapping[str, Any], new: Mapping[str, Any], prefix: str = "") -> list[RecipeChange]:
    """List every key whose value differs, and whether a run may safely go on with the new value.

    A change is safe if it moves no number beyond its last bits (saving, evaluating, memory) or only trains
    longer.
    """
    changes: list[RecipeChange] = []
    for name in {**old, **new}:
        key = f"{prefix}{name}"
        was, now = old.get(name, ABSENT), new.get(name, ABSENT)
        if was == ABSENT and (_is_later(key) or now == _default_of(key)):
            continue
        if is_section(was) and is_section(now):
            changes += compare(was, now, f"{key}.")
        elif was != now:
            changes.append(RecipeChange(key, was, now, _safe(key, was, now)))
    return changes


def other_secrets(old: Mapping[str, Any] | None, new: Mapping[str, Any]) -> list[RecipeChange]:
    """List the hidden values that differ, by their salted hashes. A key may be renewed, so this is safe."""
    was: Mapping[str, str] = old["hashes"] if old else {}
    now: Mapping[str, str] = new["hashes"]
    return [
        RecipeChange(key, f"{MASK} {was[key][:SHOWN]}", f"{MASK} {now[key][:SHOWN]}", safe=True)
        for key in was
        if key in now and was[key] != now[key]
    ]


def recorded_since(old: Mapping[str, Any], new: Mapping[str, Any], prefix: str = "") -> list[str]:
    """List the keys beside the recipe that the new record has and the record of an earlier version lacks."""
    found: list[str] = []
    for name, value in new.items():
        key = f"{prefix}{name}"
        if name not in old and _is_later(key):
            found.append(key)
        elif key == "resolved":
            found += recorded_since(old[name], value, f"{key}.")
    return found


def _is_later(key: str) -> bool:
    """Tell whether a record without this key comes from a version that did not write the key."""
    return key == "models" or key.startswith("resolved.")


def _default_of(key: str) -> Any:
    """Return the default of a recipe's key; ABSENT where there is none."""
    found: Any = _defaults()
    for name in key.split("."):
        found = found.get(name, ABSENT) if is_section(found) else ABSENT
    return found


@cache
def _defaults() -> dict[str, Any]:
    from truing.config.recipe import Lora, Recipe

    least: Any = {"method": "sft", "policy": "p", "data": {"train": "t"}, "lora": Lora()}
    return Recipe.model_validate(least).model_dump(mode="json")


def refuse_unsafe(changes: Sequence[RecipeChange], allowed: Sequence[str] = ()) -> None:
    """Raise `ConfigError` with the changes that are not safe and not `allowed` by their key or section."""
    refused = [change for change in changes if not change.safe and not _named(change.key, allowed)]
    if refused:
        changed = joined("\n  ", (change.told for change in refused))
        flags = " ".join(f"--allow-change {change.key}" for change in refused)
        hint = "choose another output, put the old values back, or go on with {flags}"
        raise ConfigError(
            message("this run was started with another recipe:\n  {changed}", changed=changed),
            hint=message(hint, flags=flags),
        )


def _named(key: str, names: Sequence[str]) -> bool:
    return any(key == name or key.startswith(f"{name}.") for name in names)


def _safe(key: str, was: Any, now: Any) -> bool:
    if key in SAFE_WHEN_LARGER:
        return now is None or (isinstance(was, int | float) and isinstance(now, int | float) and now > was)
    return _named(key, SAFE) or (key in SAFE_WHEN_BOTH and bool(was) and bool(now))


def _shown(value: Any) -> str:
    if value == ABSENT:
        return ABSENT
    if isinstance(value, str) and len(value) == 64 and set(value) <= set("0123456789abcdef"):
        return f"{value[:SHOWN]}…"  # of a hash, enough to tell it from another
    return json.dumps(value, ensure_ascii=False)
