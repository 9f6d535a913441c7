"""Open any place that holds a model: a source, a folder, an adapter, a run or one of its checkpoints."""

import hashlib
import json
import logging
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from truing.config.recipe import Lora
from truing.core.doing import doing
from truing.core.errors import ModelError
from truing.core.files import MANIFEST, sha256_file, write_atomic
from truing.core.messages import message
from truing.models import checkpoint
from truing.models.adapter_folders import is_adapter
from truing.models.adapters import merged, tokenizer_of, with_adapter
from truing.models.contents import contents_of
from truing.models.export import export_folder
from truing.models.folders import holds_reward
from truing.models.load import (
    DTYPES,
    add_adapter,
    ends_of,
    freeze_below,
    ids_of,
    load_model,
    load_tokenizer,
    pick_device,
    trainable,
)
from truing.models.precision import pick_precision
from truing.models.results import ADAPTER_CONFIG, RunModel, find_run
from truing.models.reward_folder import load_reward
from truing.models.scoring import Policy, unwrapped
from truing.models.sealed import damage_of, require_whole
from truing.models.sources import AGAIN, require_base, resolve
from truing.models.weights import require_rows

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Trained:
    """A model ready to answer or to score, and the origin of its weights."""

    model: Policy
    tokenizer: Any
    base: str  # source of the base weights
    template: str = "auto"  # how the run that made it rendered turns

    @property
    def ends(self) -> frozenset[int]:
        """Return the ids that end a response by the model's generation config; a reward model has none."""
        config = getattr(self.model, "generation_config", None)
        return ids_of(None if config is None else config.eos_token_id)


def is_reward(source: str) -> bool:
    """Tell whether a run or a folder on this machine holds a reward model."""
    run = find_run(source)
    return run.scores if run else holds_reward(Path(source))


def _require_responses(source: str) -> None:
    """Raise ModelError for a source that holds a reward model."""
    if is_reward(source):
        raise ModelError(
            f"{source} holds a reward model, which gives scores and no responses",
            hint=f"truing score ROWS --model {source}",
        )


@dataclass(frozen=True)
class Spoken:
    """The language of a model whose weights are elsewhere: its tokenizer, template and ends.

    `adapter` is the folder of its adapter, where it is one on a base.
    """

    tokenizer: Any
    ends: frozenset[int]
    template: str = "auto"
    adapter: Path | None = None


def load_spoken(source: str) -> Spoken:
    """Load all of a policy but its weights, which servers have; of a run its result alone."""
    _require_responses(source)
    run, path = find_run(source), Path(source)
    if run is not None and run.step is not None:
        raise ModelError(
            message("{source} is a step of a run, which no server opens", source=source),
            hint=message("write it to a folder first: truing export {source} FOLDER", source=source),
        )
    if run is not None:
        require_whole(run.result, AGAIN)
        return replace(load_spoken(str(run.result)), template=run.recipe["data"]["template"])
    if (path / ADAPTER_CONFIG).is_file():
        base = load_spoken(require_base(path))
        if base.adapter is not None:
            raise ModelError(
                message("{source} is an adapter on an adapter, and a server takes one", source=source),
                hint=message("write it to a folder first: truing export {source} FOLDER", source=source),
            )
        return replace(base, tokenizer=tokenizer_of(path, base.tokenizer), adapter=path.absolute())
    folder = resolve(source).path
    return Spoken(load_tokenizer(folder), ends_of(folder))


def load_trained(source: str, *, dtype: str = "auto", device: str = "auto") -> Trained:
    """Load the policy of a run (its result, or RUN@STEP), an adapter folder, or any model source."""
    _require_responses(source)
    run = find_run(source)
    if run is not None:
        if run.step is None:
            require_whole(run.result, AGAIN)
        found = (
            _at_step(run, dtype, device)
            if run.step is not None
            else load_trained(str(run.result), dtype=dtype, device=device)
        )
        return Trained(found.model, found.tokenizer, run.recipe["policy"], run.recipe["data"]["template"])
    path, place = Path(source), pick_device(device)
    if (path / ADAPTER_CONFIG).is_file():
        return _with_adapter(path, dtype, device)
    folder = resolve(source).path
    precision = pick_precision(dtype, place, adapter=True)
    with doing(message("loading the weights of {source}", source=source)):
        return _checked(load_model(folder, precision.base, place), load_tokenizer(folder), source)


def _checked(model: Policy, tokenizer: Any, source: str) -> Trained:
    """Check that a model has rows for its tokenizer's tokens. Raises ModelError with both numbers."""
    require_rows(unwrapped(model), tokenizer, source)
    return Trained(model, tokenizer, source)


def load_trained_reward(
    source: str, *, dtype: str = "float32", device: str = "auto", import_bin: bool = False
) -> Trained:
    """Load the reward model of a run folder or any model source. Raises ModelError without a head.

    `import_bin` is that of `load_reward`.
    """
    run = find_run(source)
    if run is not None and run.step is not None:
        raise ModelError(
            f"{source}: of a reward run the result alone can be opened",
            hint=f"name {run.run}, without a step",
        )
    if run is not None:
        folder = run.result
        require_whole(folder, AGAIN)
    elif is_adapter(source):  # it brings its head, and would be merged without it as a policy
        folder = Path(source).expanduser()
    else:
        folder = resolve(source, bins=True).path  # load_reward judges the bins
    place = pick_device(device)
    with doing(message("loading the weights of {source}", source=source)):
        opened = load_reward(folder, DTYPES[dtype], place, require_head=True, import_bin=import_bin)
    if run is None:
        return Trained(opened.model, opened.tokenizer, source)
    return Trained(opened.model, opened.tokenizer, run.recipe["policy"], run.recipe["data"]["template"])


def _with_adapter(path: Path, dtype: str, device: str) -> Trained:
    base = require_base(path)
    found = load_trained(base, dtype=dtype, device=device)
    model = with_adapter(merged(found.model), path)
    return replace(_checked(model, tokenizer_of(path, found.tokenizer), str(path)), base=base)


def _at_step(run: RunModel, dtype: str, device: str) -> Trained:
    """Load the policy of a run at a checkpoint: its trained weights on those that the run began from."""
    path, recipe = run.checkpoint, run.recipe
    folder, place = resolve(recipe["policy"]).path, pick_device(device)
    lora = Lora(**recipe["lora"]) if recipe["lora"] else None
    precision = pick_precision(dtype, place, adapter=lora is not None)
    with doing(message("loading the weights of {source}", source=run.named(run.step or 0))):
        model: Any = load_model(folder, precision.base, place)
        if lora is not None:
            model = add_adapter(model, lora, dropout=False, seed=0, trained=precision.trained)
        elif recipe["top_layers"]:
            freeze_below(model, recipe["top_layers"])
        names = trainable(model)
        saved = checkpoint.read(path).tensors["model"]  # beside them a critic's, under names of its own
        checkpoint.restore_parameters(names, {name: saved[name] for name in names if name in saved})
    tokenizer = load_tokenizer(folder, recipe["data"].get("template_arguments", {}))  # absent in older runs
    return Trained(model.eval(), tokenizer, recipe["policy"])


def merged_run(run: RunModel) -> Path:
    """Return the folder of a run's whole weights: its result, or its adapter merged beside it.

    The weights of a step's checkpoint go to `RUN/merged-STEP`. A merge that is damaged, or was made of other
    weights than those there now, is made again. Raises ModelError for a run without a policy to train from,
    and StorageError for a damaged result.
    """
    run.require_policy()
    if run.step is None:
        require_whole(run.result, AGAIN)
    if run.step is None and not (run.result / ADAPTER_CONFIG).is_file():
        return run.result
    target = run.run / ("merged" if run.step is None else f"merged-{run.step}")
    made_of = run.result if run.step is None else run.checkpoint
    source = str(run.run) if run.step is None else run.named(run.step)
    of = sha256_file(made_of / MANIFEST)
    return _merged(source, target, of, run.facts)


def merged_adapter(folder: Path, cache: Path) -> Path:
    """Merge an adapter outside of any run into its base; keep the result in `cache` under a hash of both."""
    made_of = [contents_of(folder), contents_of(resolve(require_base(folder)).path)]
    of = hashlib.sha256(json.dumps(made_of).encode()).hexdigest()
    return _merged(str(folder), cache / f"{folder.name}-{of[:16]}", of, {})


def _merged(source: str, target: Path, of: str, facts: dict[str, Any]) -> Path:
    """Write the whole weights of `source` to `target`, unless `target` is sound and made of `of`."""
    note = target.with_name(f"{target.name}.of")
    damage = next(damage_of(target), "")
    if not damage and note.is_file() and note.read_text("utf-8") == of:
        return target
    if damage and target.exists():
        log.warning("%s: %s; it is merged again", target, damage)
    trained = load_trained(source, dtype="float32", device="cpu")
    target.parent.mkdir(parents=True, exist_ok=True)
    with doing(message("merging the adapter of {source} into {target}", source=source, target=target)):
        how: dict[str, Any] = {"dtype": torch.float32, "facts": {"base_model": trained.base, **facts}}
        export_folder(trained.model, trained.tokenizer, target, merge=True, **how)
    write_atomic(note, of)
    return target
