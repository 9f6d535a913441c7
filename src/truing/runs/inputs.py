"""Inputs that a resumed run must find unchanged beside its recipe: rows, models, own code, and defaults."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from truing.config.imports import is_import
from truing.config.lent import code_hash
from truing.config.online import CRITIC_STARTS
from truing.config.recipe import Recipe
from truing.config.rewards import JUDGE, MODEL, RewardPart
from truing.core.files import sha256_file
from truing.data.load import SourceReport
from truing.models.contents import contents_of, contents_of_source
from truing.models.results import ADAPTER, ADAPTER_CONFIG, find_run, identities
from truing.models.sources import resolve


def inputs_of(recipe: Recipe, sources: Sequence[SourceReport], resolved: Mapping[str, Any]) -> dict[str, Any]:
    """Return the record of a run's inputs beside the recipe; `resolved` are the defaults that acted."""
    code = reward_code(recipe.rewards)
    return {
        "inputs": {source.path: source.sha256 for source in sources}
        | identities(recipe.policy, recipe.reference),
        "models": models_of(recipe),
        "resolved": {**resolved, **({"reward_files": code} if code else {})},
    }


def models_of(recipe: Recipe) -> dict[str, Any]:
    """Hash the files of every model that a recipe names, by the model's part in the run."""
    found: dict[str, Any] = {
        part: contents_of(resolve(source).path)
        for part, source in (("policy", recipe.policy), ("reference", recipe.reference))
        if source
    }
    rewards = {part.title: _scores(part.options["path"]) for part in recipe.rewards if part.name == MODEL}
    if rewards:
        found["rewards"] = rewards
    if recipe.critic.start not in CRITIC_STARTS:
        found["critic"] = _scores(recipe.critic.start)
    return found


def _scores(source: str) -> dict[str, Any]:
    """Hash the files of a reward model; for a run, also those of the adapter that may be read instead."""
    run = find_run(source)
    if run is None:
        adapter = (Path(source).expanduser() / ADAPTER_CONFIG).is_file()
        return contents_of_source(source) if adapter else contents_of(resolve(source, bins=True).path)
    adapter = run.run / ADAPTER
    beside = {"adapter": contents_of(adapter)["weights"]} if adapter.is_dir() else {}
    return contents_of(run.result) | beside


def reward_code(parts: Sequence[RewardPart]) -> dict[str, str]:
    """Hash the user's own functions among the rewards, and the templates of judges, by name or path."""
    found = {part.name: code_hash(part.name) for part in parts if is_import(part.name)}
    templates = [part.options.get("template") for part in parts if part.name == JUDGE]
    return found | {path: sha256_file(Path(path)) for path in templates if path}
