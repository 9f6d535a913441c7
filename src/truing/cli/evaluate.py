"""`eval`: measure a model. Numbers with intervals, a page, and an exit code for gates."""

import json
from pathlib import Path
from typing import Annotated

import typer

from truing.cli.commands import opening
from truing.cli.language import console_language
from truing.cli.show import IMPORTING, next_step, say, stage
from truing.cli.streams import print_json
from truing.cli.trusting import TrustCode, settle_trust
from truing.cli.work import show_report
from truing.core.doing import doing
from truing.core.errors import UsageError
from truing.core.messages import message

RECIPES = (".yaml", ".yml", ".json")


def evaluate(
    what: Annotated[str, typer.Argument(help="A model, or an evaluation's recipe.", show_default=False)],
    against: Annotated[str | None, typer.Option(help="The model it is held against.")] = None,
    task: Annotated[list[str] | None, typer.Option(help="A task, instead of the usual ones.")] = None,
    set_: Annotated[
        list[str] | None, typer.Option("--set", help="Change one value of the recipe: gates.kl.below=0.1.")
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(help="The folder for the report, instead of eval."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
    trust_code: TrustCode = False,
) -> None:
    """Measure a model, alone or against another; exit code 7 where a gate is missed.

    Stopped at any moment, the same command goes on from there.
    """
    settle_trust(trust_code)
    with doing(message("reading {path}", path=what)):
        from truing.config.config import load_eval_recipe
        from truing.config.evaluation import REPORT
        from truing.config.names import require_tasks
        from truing.config.run_folder import run_recipe
        from truing.models.sources import require_openable
    is_recipe = what.endswith(RECIPES)
    if output is None and not is_recipe and run_recipe(Path(what)):
        output = Path(what) / "eval"
    flags = [] if is_recipe else [f"model={json.dumps(what)}"]
    flags += [f"against={json.dumps(against)}"] if against else []
    flags += [f"tasks={json.dumps(dict.fromkeys(task))}"] if task else []
    flags += [f"output={json.dumps(str(output))}"] if output else []
    recipe = load_eval_recipe(Path(what) if is_recipe else None, [*flags, *(set_ or [])])
    if recipe.model == recipe.against:
        said = message("{model} is held against itself", model=recipe.model)
        raise UsageError(said, hint=message("name another model as --against"))
    require_tasks(recipe.tasks)
    with doing(message("looking for the models")):
        for source in filter(None, (recipe.model, recipe.against)):
            require_openable(source)
    with doing(IMPORTING):
        from truing.api.watching import Stages
        from truing.core.words import speaking
        from truing.evals.run import as_json as found_as_json
        from truing.evals.run import require_passed
        from truing.models.world import joined
        from truing.pipelines.evaluating import evaluate_together
        from truing.reports.evaluation import evaluation_report
    with joined("auto") as here, Stages(stage) as lines:
        done = evaluate_together(recipe, here, say, lines)
    if done is None:
        return
    if as_json:
        print_json(found_as_json(done))
    with speaking(console_language()):
        if not as_json:
            show_report(evaluation_report(done))
        next_step(opening(Path(recipe.output) / REPORT), "every answer behind every number")
        require_passed(done)
