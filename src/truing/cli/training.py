"""`check`, `train` and `export`: from a recipe to a policy others can open."""

import json
from pathlib import Path
from typing import Annotated

import typer

from truing.cli.show import console, next_step, say, stage
from truing.core.errors import UsageError

RecipePath = Annotated[Path, typer.Argument(help="The recipe, a YAML or JSON file.", show_default=False)]
Overrides = Annotated[
    list[str] | None,
    typer.Option("--set", help="Change one value of the recipe: optim.epochs=2. May be repeated."),
]
BadRows = Annotated[str | None, typer.Option(help="stop (default) or skip rows that cannot be used.")]


def _load(recipe: Path, overrides: list[str] | None, bad_rows: str | None, output: Path | None = None):
    from truing.core.config import load_recipe

    flags = [*(overrides or [])]
    flags += [f"data.bad_rows={bad_rows}"] if bad_rows else []
    flags += [f"output={json.dumps(str(output))}"] if output else []
    return load_recipe(recipe, flags)


def check(
    recipe: RecipePath,
    set_: Overrides = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
    bad_rows: BadRows = None,
    print_config: Annotated[bool, typer.Option(help="Show every value and where it came from.")] = False,
) -> None:
    """Train nothing: show rows and masks, and compute the first step's loss and gradient norm."""
    loaded = _load(recipe, set_, bad_rows)
    if print_config:
        console.print(loaded.describe(), markup=False, end="")
        return
    from truing.methods.check import check_session
    from truing.methods.session import open_session

    session = open_session(loaded.recipe, say)
    found = check_session(session)
    if as_json:
        typer.echo(json.dumps(found.as_json()))
        return
    from truing.cli.tokens import show_trees

    show_trees(session.train[:3], session.tokenizer)
    for line in found.lines():
        console.print(line, markup=False)
    next_step(f"truing train {recipe}", "trains it; Ctrl-C is safe, the same command resumes")


def train(
    recipe: RecipePath,
    set_: Overrides = None,
    output: Annotated[Path | None, typer.Option(help="The run folder, instead of the recipe's.")] = None,
    bad_rows: BadRows = None,
    allow_change: Annotated[
        list[str] | None, typer.Option(help="A key that may differ from the interrupted run's.")
    ] = None,
) -> None:
    """Train a recipe; run the same command again to resume."""
    loaded = _load(recipe, set_, bad_rows, output)
    from truing.core.runs import RunFolder
    from truing.methods.run import run
    from truing.methods.session import open_session

    with RunFolder.open(loaded.recipe.output) as folder:
        session = open_session(loaded.recipe, say, aside=folder.path / "quarantine.jsonl")
        rows = session.rows.summary
        say(f"{rows['kept']} of {rows['read']} rows, set aside: {rows['set_aside'] or 'none'}")
        with stage(loaded.recipe.method.upper(), session.plan.total) as line:
            finished = run(session, folder, say=say, watch=[line.step], allow_change=allow_change or ())
        from truing.models.export import export_folder

        target = folder.path / "model"
        facts = {"method": loaded.recipe.method, "base_model": loaded.recipe.policy, "step": finished.step}
        export_folder(session.model, session.tokenizer, target, merge=False, facts=facts)
    say(f"{finished.step} steps; the result is in {target}")
    next_step(f"truing chat {folder.path} --against {loaded.recipe.policy}", "talk to it, before and after")


def export(
    run: Annotated[Path, typer.Argument(help="A run folder, or a folder with an adapter.")],
    target: Annotated[Path, typer.Argument(help="Where the model goes; must not exist.")],
    merge: Annotated[bool, typer.Option(help="Merge the adapter into the weights.")] = True,
    dtype: Annotated[str, typer.Option(help="float32 or bfloat16.")] = "float32",
) -> None:
    """Write a folder that transformers opens."""
    from truing.models.export import export_folder
    from truing.models.load import DTYPES
    from truing.models.trained import load_trained

    if dtype not in DTYPES:
        raise UsageError(f"--dtype {dtype}: expected one of {', '.join(DTYPES)}")
    trained = load_trained(str(run), dtype="float32")
    facts = {"base_model": trained.base}
    export_folder(trained.model, trained.tokenizer, target, merge=merge, facts=facts, dtype=DTYPES[dtype])
    say(f"wrote {target}")
    next_step(f"truing chat {target}", "or AutoModelForCausalLM.from_pretrained, or vllm serve")
