"""`truing.constitution`: a model's answers criticised under principles and revised, as rows to train on."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from truing.api.given import FOLDER, rows_file, write_given
from truing.api.opening import ModelLike, named, opened
from truing.api.training import Run
from truing.api.watching import ProgressOption, Stages, display_of
from truing.config.config import validate
from truing.config.constitution import ConstitutionRecipe
from truing.config.documents import Node, Origin, laid_over, node_of
from truing.config.work import read_work


@dataclass(frozen=True)
class Constituted:
    """A finished pass; the files in `path` hold the same content."""

    path: Path  # the folder: transcripts, rows, sft, preferences, results.json, report.html
    results: Mapping[str, Any]  # the content of results.json

    @property
    def counts(self) -> dict[str, Any]:
        """The prompts by what became of them: `revised`, `unchanged`, `dropped` by reason, `errors`."""
        return dict(self.results["counts"])

    @property
    def sft(self) -> Path:
        """The rows for supervised fine-tuning: revisions and helpful answers."""
        return self.path / "sft.jsonl"

    @property
    def preferences(self) -> Path:
        """The pairs for a reward model or DPO."""
        return self.path / "preferences.jsonl"

    @property
    def page(self) -> Path:
        """The report: one HTML file that loads nothing from any network."""
        return self.path / "report.html"


def constitution(
    prompts: Any = None,
    policy: ModelLike | Mapping[str, Any] | None = None,
    *,
    tokenizer: Any = None,
    output: str | Path | None = None,
    recipe: str | Path | Mapping[str, Any] | None = None,
    progress: ProgressOption = "auto",
    **keys: Any,
) -> Constituted:
    """Criticise and revise a model's answers under a constitution; write rows for SFT and preferences.

        truing.constitution("prompts.jsonl", "runs/mine", output="constitution")
        truing.constitution(rows, run, critic={"model": "qwen3", "base_url": "http://localhost:8000/v1"},
                            reviser="rule", constitution="mine.yaml", output="constitution")

    `prompts` are files or rows in memory. `policy` is a `Run`, a source, a server as a dict, or a loaded
    model, to which `tokenizer` belongs. `recipe` is a file or a dict; the other arguments and `keys`
    (`critic`, `reviser`, `judge`, `rounds`, …) are laid over it. The same call goes on after any end.

    Raises ConfigError, DataError and RewardError for a judge or server that cannot be asked. Prompts that
    failed are counted, not raised.
    """
    origin = Origin("truing.constitution")
    root = read_work(Path(recipe)) if isinstance(recipe, str | Path) else node_of(recipe or {}, origin)
    asked: dict[str, Any] = {key: _named(one) for key, one in keys.items()}
    if output is not None:
        asked["output"] = str(output)
    if policy is not None:
        asked["policy"] = _named(policy)
    if prompts is not None:
        asked["prompts"] = _files(prompts, str(asked.get("output") or root.plain().get("output", "")))
    found = validate(_over(root, asked, origin), ConstitutionRecipe)
    is_named = policy is None or isinstance(policy, str | Path | Mapping)
    return _constituted(found, None if is_named else opened(policy, tokenizer), progress)


def _named(value: Any) -> Any:
    """Return a role as a recipe names it; a loaded model by its name."""
    is_model = isinstance(value, Run) or hasattr(value, "state_dict")
    return named(value) if is_model else value


def _files(prompts: Any, output: str) -> list[str]:
    """Return the files of prompts; rows in memory are written below the output first."""
    if isinstance(prompts, str | Path):
        return [str(prompts)]
    if isinstance(prompts, list | tuple) and all(isinstance(one, str | Path) for one in prompts):
        return [str(one) for one in prompts]
    path = Path(output) / FOLDER / "prompts.jsonl"
    write_given(path, rows_file(prompts, "prompts"))
    return [str(path)]


def _over(root: Node, asked: Mapping[str, Any], origin: Origin) -> Node:
    """Return the recipe with the arguments over it; a given role replaces that of the recipe as a whole."""
    own = {key: node for key, node in root.children.items() if key not in asked}
    return laid_over(Node(own, root.origin), node_of(asked, origin))


def _constituted(recipe: ConstitutionRecipe, model: Any, progress: ProgressOption) -> Constituted:
    from truing.pipelines.constituting import constitute

    display = display_of(progress)
    stages = Stages(display.stage)
    try:
        results = constitute(recipe, display.say, stages, model)
    finally:
        stages.close()
    return Constituted(Path(recipe.output), results)
