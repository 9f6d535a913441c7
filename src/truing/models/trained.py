"""Open whatever holds a model for use: a source, a folder, an adapter, or a run."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from peft import PeftModel
from transformers import PreTrainedModel

from truing.core.errors import ModelError
from truing.models.load import load_model, load_tokenizer, pick_device, pick_precision
from truing.models.sources import resolve

Policy = PreTrainedModel | PeftModel


@dataclass(frozen=True)
class Trained:
    """A model ready to answer, and where its weights began."""

    model: Policy
    tokenizer: Any
    base: str  # source of the base weights
    template: str = "auto"  # how the run that made it rendered turns


def _run_recipe(path: Path) -> dict[str, Any] | None:
    """The recipe of a run folder, None where `path` is something else."""
    config = path / "config.json"
    if not config.is_file():
        return None
    content = json.loads(config.read_text())
    return content.get("recipe")


def load_trained(source: str, *, dtype: str = "auto", device: str = "auto") -> Trained:
    """The model of a run folder (its result), an adapter folder, or any model source."""
    path = Path(source)
    recipe = _run_recipe(path)
    if recipe is not None:
        if not (path / "model").is_dir():
            raise ModelError(
                f"{path} has no result yet: the run did not finish",
                hint="run its `truing train` command again; it resumes",
            )
        found = load_trained(str(path / "model"), dtype=dtype, device=device)
        return Trained(found.model, found.tokenizer, recipe["policy"], recipe["data"]["template"])
    place = pick_device(device)
    if (path / "adapter_config.json").is_file():
        return _with_adapter(path, dtype, device)
    folder = resolve(source).path
    precision = pick_precision(dtype, place, adapter=True)
    return Trained(load_model(folder, precision.base, place), load_tokenizer(folder), source)


def _with_adapter(path: Path, dtype: str, device: str) -> Trained:
    base = json.loads((path / "adapter_config.json").read_text())["base_model_name_or_path"]
    found = load_trained(base, dtype=dtype, device=device)
    model = PeftModel.from_pretrained(found.model, path)
    return Trained(model.eval(), load_tokenizer(path), base)
