"""A run folder as a model: its result, or the policy after one of its steps.

    runs/my-sft        the result of a finished run
    runs/my-sft@200    the policy after step 200, from the checkpoint of that step

Nothing here imports torch, so that a wrong name is reported at once. `models/trained.py` opens them.
"""

import hashlib
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from truing.config.run_folder import CHECKPOINTS, read_rows, read_status, run_recipe
from truing.core.errors import ModelError
from truing.core.files import MANIFEST
from truing.core.messages import joined, message
from truing.models.card import facts_of_rows

ADAPTER_CONFIG = "adapter_config.json"
ADAPTER_WEIGHTS = "adapter_model.safetensors"
ADAPTER = "adapter"  # the folder of a reward run that holds its adapter, beside the merged model
REWARD_METHOD = "reward"
_CHECKPOINT = re.compile(r"step-(\d{6,})")


@dataclass(frozen=True)
class RunModel:
    """A run that a source names, and the step it names, if any."""

    run: Path
    recipe: dict[str, Any]
    step: int | None = None

    @property
    def result(self) -> Path:
        """Return the folder of the run's result. Raises ModelError for a run that did not finish."""
        if not (self.run / "model").is_dir():
            status, steps = read_status(self.run), self.steps
            stands = message(" (it stands at step {step})", step=status.step) if status else ""
            hint = message("run its `truing train` command again; it resumes")
            if steps:
                names = ", ".join(self.named(step) for step in steps)
                hint = joined("", (hint, message("; or name one of its checkpoints: {names}", names=names)))
            raise ModelError(
                message(
                    "{run} has no result yet: the run did not finish{stands}", run=self.run, stands=stands
                ),
                hint=hint,
            )
        return self.run / "model"

    @property
    def steps(self) -> list[int]:
        """List the steps of which the run keeps a checkpoint."""
        names = [path.name for path in (self.run / CHECKPOINTS).glob("step-*")]
        return sorted(int(match[1]) for name in names if (match := _CHECKPOINT.fullmatch(name)))

    @property
    def checkpoint(self) -> Path:
        """Return the folder of the step's checkpoint. Raises ModelError that lists the existing ones."""
        assert self.step is not None
        if self.step not in self.steps:
            there = ", ".join(self.named(step) for step in self.steps) or "none"
            raise ModelError(
                message(
                    "{run} has no checkpoint of step {step}; there are: {there}",
                    run=self.run,
                    step=self.step,
                    there=there,
                ),
                hint=message("checkpoint.every says how often one is written, checkpoint.keep how many stay"),
            )
        return self.run / CHECKPOINTS / f"step-{self.step:06d}"

    @property
    def scores(self) -> bool:
        """Tell whether the run trains a reward model."""
        return self.recipe["method"] == REWARD_METHOD

    def named(self, step: int) -> str:
        return f"{self.run}@{step}"

    @property
    def facts(self) -> dict[str, str]:
        """Return the method and the account of the rows, for the card of a model that is made of the run."""
        return {"method": self.recipe["method"], **facts_of_rows(read_rows(self.run))}

    def require_policy(self) -> None:
        """Raise ModelError for a run that gives no policy."""
        if self.scores:
            raise ModelError(
                message("{run} is a reward run, which gives scores and no responses", run=self.run),
                hint=message(
                    "name a policy's run; a reward run goes under rewards: [{{name: model, path: {run}}}]",
                    run=self.run,
                ),
            )
        self.require_there()

    def require_there(self) -> None:
        """Raise ModelError where the run has no result, or no checkpoint of the step."""
        _ = self.result if self.step is None else self.checkpoint


def find_run(source: str) -> RunModel | None:
    """Find the run that `RUN` or `RUN@STEP` names, finished or not; None for any other source.

    Raises ModelError for the folder of a checkpoint: `RUN@STEP` is its name.
    """
    path = Path(source).expanduser()
    if (recipe := _recipe(path)) is not None:
        return RunModel(path, recipe)
    if path.parent.name == CHECKPOINTS and (match := _CHECKPOINT.fullmatch(path.name)):
        raise ModelError(
            message(
                "{source} is a checkpoint, which holds the trained parameters and no model", source=source
            ),
            hint=message(
                "name it by its run and step: {run}@{step}", run=path.parent.parent, step=int(match[1])
            ),
        )
    name, at, step = source.rpartition("@")
    if at and step.isdecimal() and (recipe := _recipe(path := Path(name).expanduser())) is not None:
        return RunModel(path, recipe, int(step))
    return None


def _recipe(path: Path) -> dict[str, Any] | None:
    """Read the recipe of a run folder; a folder of weights has a config.json as well, and no checkpoints."""
    return run_recipe(path) if (path / CHECKPOINTS).is_dir() else None


def adapter_base(folder: Path) -> str:
    """Return the source of an adapter's base. Raises ModelError for an adapter that names none."""
    path = folder.expanduser() / ADAPTER_CONFIG
    try:
        base = json.loads(path.read_bytes()).get("base_model_name_or_path")
    except (ValueError, AttributeError, RecursionError) as error:
        raise ModelError(
            message("{path} is not a JSON object", path=path), hint=message("write the adapter again")
        ) from error
    if not base or not isinstance(base, str):
        raise ModelError(
            message("{path} does not say which model the adapter is for", path=path),
            hint=message("set base_model_name_or_path in it to the folder or the hub name of that model"),
        )
    return base


def identities(*sources: str | None) -> dict[str, str]:
    """Return, by source, an identity of a run's weights that changes when the run trains again.

    A later run must not go on from other weights than it began with. Sources that are no run are left out.
    """
    runs = {source: run for source in sources if source and (run := find_run(source)) is not None}
    return {source: _identity(run) for source, run in runs.items()}


def _identity(run: RunModel) -> str:
    manifest = json.loads(((run.result if run.step is None else run.checkpoint) / MANIFEST).read_bytes())
    weights = {name: facts for name, facts in manifest["files"].items() if name.endswith(".safetensors")}
    return hashlib.sha256(json.dumps(weights, sort_keys=True).encode()).hexdigest()
