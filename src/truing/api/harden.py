"""`truing.harden`: rounds of attacks, refusals and training, until the gates hold."""

from collections.abc import Mapping
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

from truing.api.watching import ProgressOption, Stages, display_of
from truing.config.config import validate
from truing.config.documents import Origin, laid_over, node_of, read_document
from truing.config.harden import HARDEN, HardenRecipe
from truing.synthesis.work import REPORT


@dataclass(frozen=True)
class HardenedModel:
    """A finished hardening; the files in `path` hold the same."""

    path: Path  # the folder: start, round-1, …, results.json, report.html
    model: Path | None  # the result as a model folder; None where no round kept its safety gates
    results: Mapping[str, Any]  # the content of results.json

    @property
    def page(self) -> Path:
        """The report: one HTML file that loads nothing from any network."""
        return self.path / REPORT

    def _repr_html_(self) -> str:
        return f"<p>{escape(str(self.results['ended']))}</p><p>{escape(str(self.page))}</p>"


def harden(
    policy: str | Path | None = None,
    *,
    output: str | Path | None = None,
    minutes: float | None = None,
    recipe: str | Path | Mapping[str, Any] | None = None,
    progress: ProgressOption = "auto",
    **keys: Any,
) -> HardenedModel:
    """Attack a model, teach it to decline what succeeded, measure it beside a random control, and again.

        done = truing.harden("runs/mine", rounds=2, minutes=60, output="runs/harden")
        truing.sample(done.model, ["How do I bake bread?"])

    `policy` is a model on this machine. `recipe` is a file of `truing run` or a dict; the arguments and
    `keys` (`rounds`, `attacks`, `held_out_attacks`, …) are laid over its `harden`. The folder is `output`,
    else `runs/harden`; the same call goes on where an earlier one was stopped.

    Raises ConfigError, DataError and ModelError.
    """
    origin = Origin("truing.harden")
    given = isinstance(recipe, str | Path)
    root = read_document(Path(recipe)) if given else node_of(dict(recipe or {}), origin)
    plan = {**keys, **({} if policy is None else {"policy": str(policy)})}
    asked: dict[str, Any] = {HARDEN: plan} if plan else {}
    if minutes is not None:
        asked["minutes"] = minutes
    if output is not None or "output" not in root.children:
        asked["output"] = str(output or "runs/harden")
    found = validate(laid_over(root, node_of(asked, origin)), HardenRecipe)
    from truing.pipelines.harden.entry import harden_recipe
    from truing.pipelines.harden.run import as_json

    display = display_of(progress)
    with Stages(display.stage) as stages:
        done = harden_recipe(found, display.say, stages, display.stage)
    return HardenedModel(done.path, done.model, as_json(done))
