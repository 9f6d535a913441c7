"""`truing.refusals`: rows that teach a model to decline what it failed to, and to go on answering."""

from collections.abc import Mapping
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

from truing.api.opening import ModelLike
from truing.api.watching import ProgressOption, Stages, display_of
from truing.api.work import GivenModels, RoleLike, role_named, work_recipe
from truing.config.refusals import RefusalsRecipe


@dataclass(frozen=True)
class MadeRefusals:
    """The rows that were made; the files in `path` hold the same."""

    path: Path  # the folder: sft.jsonl, preferences.jsonl, retain.jsonl, train.yaml, report.html
    rows: list[dict[str, Any]]  # a refusal of each form, to learn by SFT
    preferences: list[dict[str, Any]]  # the refusal against the own answer, and of twins the other way round
    retain: list[dict[str, Any]]  # own answers to harmless prompts, for `data={"retain": …}`
    results: Mapping[str, Any]  # the content of results.json

    def _repr_html_(self) -> str:
        counts = {"sft": self.rows, "preferences": self.preferences, "retain": self.retain}
        cells = "".join(f"<tr><td>{name}</td><td>{len(rows)}</td></tr>" for name, rows in counts.items())
        return f"<table>{cells}</table><p>{escape(str(self.path))}</p>"


def refusals(
    failures: Any = None,
    policy: ModelLike | Mapping[str, Any] | None = None,
    *,
    writer: RoleLike | None = None,
    tokenizer: Any = None,
    output: str | Path | None = None,
    recipe: str | Path | Mapping[str, Any] | None = None,
    progress: ProgressOption = "auto",
    **keys: Any,
) -> MadeRefusals:
    """Return a helpful refusal for each prompt that a model failed at, and harmless prompts to retain.

        attacked = truing.red_team("runs/mine", split="train", output="red-team")
        made = truing.refusals(attacked.failures, "runs/mine", output="refusals")

    `failures` are a file, files, or a list of rows: those of `truing.red_team`, or prompts with a category.
    `policy` is the model that will learn, as `truing.sample` takes it; without one it is the model that the
    rows say failed. `tokenizer` belongs to a loaded one. `writer` is a role that writes refusals. `recipe` is
    a file or a dict; the arguments and `keys` (`balance`, `forms`, `pairs`, …) are laid over it. The folder
    is `output`, else `refusals`; the same call goes on where an earlier one was stopped.

    Raises ConfigError, DataError and ModelError.
    """
    asked: dict[str, Any] = {**keys, "output": None if output is None else str(output)}
    models = GivenModels(tokenizer)
    if policy is not None:
        asked["policy"] = models.named(policy)
    if writer is not None:
        asked["writer"] = role_named(writer, "writer")
    display = display_of(progress)
    with (
        work_recipe(RefusalsRecipe, "refusals", recipe, failures, asked) as found,
        Stages(display.stage) as stages,
    ):
        from truing.pipelines.refusals import refusals_recipe
        from truing.redteam.refusals import as_json

        done = refusals_recipe(found, display.say, stages, models.live)
    return MadeRefusals(done.path, done.sft, done.preferences, done.retain, as_json(done))
