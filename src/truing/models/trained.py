"""Open whatever holds a model for use: a source, a folder, an adapter, or a run."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from peft import PeftModel
from transformers import PreTrainedModel

from truing.core.errors import ModelError
from truing.core.runs import run_recipe
from truing.models.load import DTYPES, load_model, load_tokenizer, pick_device
from truing.models.precision import pick_precision
from truing.models.reward_folder import holds_reward, load_reward
from truing.models.sources import resolve

Policy = PreTrainedModel | PeftModel


@dataclass(frozen=True)
class Trained:
    """A model ready to answer or to score, and where its weights began."""

    model: Policy
    tokenizer: Any
    base: str  # source of the base weights
    template: str = "auto"  # how the run that made it rendered turns


def _result(path: Path) -> Path:
    """What a run folder holds when the run is done."""
    if not (path / "model").is_dir():
        raise ModelError(
            f"{path} has no result yet: the run did not finish",
            hint="run its `truing train` command again; it resumes",
        )
    return path / "model"


def is_reward(source: str) -> bool:
    """Whether a run folder or a folder on this machine holds a reward model."""
    path = Path(source)
    return holds_reward(_result(path) if run_recipe(path) else path)


def load_trained(source: str, *, dtype: str = "auto", device: str = "auto") -> Trained:
    """The policy of a run folder (its result), an adapter folder, or any model source."""
    path = Path(source)
    recipe = run_recipe(path)
    if is_reward(source):
        raise ModelError(
            f"{source} holds a reward model, which gives scores and no responses",
            hint=f"truing score ROWS --model {source}",
        )
    if recipe is not None:
        found = load_trained(str(_result(path)), dtype=dtype, device=device)
        return Trained(found.model, found.tokenizer, recipe["policy"], recipe["data"]["template"])
    place = pick_device(device)
    if (path / "adapter_config.json").is_file():
        return _with_adapter(path, dtype, device)
    folder = resolve(source).path
    precision = pick_precision(dtype, place, adapter=True)
    return Trained(load_model(folder, precision.base, place), load_tokenizer(folder), source)


def load_trained_reward(
    source: str, *, dtype: str = "float32", device: str = "auto", import_bin: bool = False
) -> Trained:
    """The reward model of a run folder or any model source. Raises ModelError where there is no head.

    `import_bin` is that of `load_reward`.
    """
    path = Path(source)
    recipe = run_recipe(path)
    folder = _result(path) if recipe else resolve(source, bins=True).path  # load_reward judges the bins
    place = pick_device(device)
    opened = load_reward(folder, DTYPES[dtype], place, require_head=True, import_bin=import_bin)
    if recipe is None:
        return Trained(opened.model, opened.tokenizer, source)
    return Trained(opened.model, opened.tokenizer, recipe["policy"], recipe["data"]["template"])


def _with_adapter(path: Path, dtype: str, device: str) -> Trained:
    if not (path / "adapter_model.safetensors").is_file():
        raise ModelError(
            f"{path} has no adapter_model.safetensors",
            hint="write the adapter again as safetensors, with the toolkit that made it; .bin is not opened",
        )
    base = json.loads((path / "adapter_config.json").read_text())["base_model_name_or_path"]
    found = load_trained(base, dtype=dtype, device=device)
    model = PeftModel.from_pretrained(found.model, path)
    return Trained(model.eval(), load_tokenizer(path), base)
