"""`check`, `train` and `export`: from a recipe to a policy others can open."""

import json
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, get_args

import typer

from truing.cli.commands import command
from truing.cli.show import IMPORTING, next_step, say, shown, stage
from truing.cli.streams import print_json
from truing.cli.trusting import TrustCode, settle_trust
from truing.core.doing import doing
from truing.core.errors import UsageError
from truing.core.messages import message
from truing.core.ranks import launched

if TYPE_CHECKING:
    import torch

    from truing.config.recipe import Recipe


HeadLayout = Literal["transformers", "value_head"]
HEAD_LAYOUTS: tuple[HeadLayout, ...] = get_args(HeadLayout)

RecipePath = Annotated[Path, typer.Argument(help="The recipe, a YAML or JSON file.", show_default=False)]
Overrides = Annotated[
    list[str] | None,
    typer.Option("--set", help="Change one value of the recipe: optim.epochs=2. May be repeated."),
]
_BadRowsOption = Annotated[str | None, typer.Option(help="stop (default) or skip rows that cannot be used.")]


def _load(recipe: Path, overrides: list[str] | None, bad_rows: str | None, output: Path | None = None):
    from truing.config.config import load_recipe

    flags = [*(overrides or [])]
    flags += [f"data.bad_rows={bad_rows}"] if bad_rows else []
    flags += [f"output={json.dumps(str(output))}"] if output else []
    return load_recipe(recipe, flags)


def _require_possible(recipe: "Recipe", *, weights: bool = True) -> None:
    """Refuse wrong names of a recipe before the long imports."""
    from truing.runs.preflight import require_possible

    with doing(message("looking for its files and models")):
        require_possible(recipe, weights=weights)


def check(
    recipe: RecipePath,
    set_: Overrides = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
    bad_rows: _BadRowsOption = None,
    print_config: Annotated[
        bool, typer.Option("--print-config", help="Show every value and where it came from.")
    ] = False,
    plan: Annotated[
        bool, typer.Option("--plan", help="Plan memory and time alone, from config.json; open no weights.")
    ] = False,
    gpus: Annotated[
        str | None, typer.Option(help="Plan for GPUs instead of this machine: 8xH200, those of one node.")
    ] = None,
    nodes: Annotated[int, typer.Option(min=1, help="Nodes with so many GPUs.")] = 1,
    trust_code: TrustCode = False,
) -> None:
    """Train nothing: show rows, masks, a plan, and the first step's loss and gradient norm."""
    settle_trust(trust_code)
    with doing(message("reading {path}", path=recipe)):
        loaded = _load(recipe, set_, bad_rows)
    if print_config:
        print(loaded.describe(), end="")
        return
    if nodes > 1 and gpus is None:
        raise UsageError(message("--nodes {n} needs --gpus, such as --gpus 8xH200", n=nodes))
    if plan or gpus is not None:
        _plan(loaded.recipe, gpus, nodes, as_json=as_json)
        return
    _require_possible(loaded.recipe)
    with doing(IMPORTING):
        from truing.runs.check import check_session
        from truing.runs.opening import open_run
        from truing.runs.session import Session
    session = open_run(loaded.recipe, say, first_step=True)
    with session.rows_named(), doing(message("computing the first step's loss and gradient")):
        found = check_session(session)
    if as_json:
        print_json(found.as_json())
        return
    if isinstance(session, Session):
        from truing.cli.tokens import show_trees

        show_trees(session.train[:3], session.tokenizer)
    for line in [*found.lines(), *(found.plan.lines() if found.plan else [])]:
        print(shown(line))
    asked = command("train", recipe, set_=set_, bad_rows=bad_rows)
    next_step(asked, "trains it; Ctrl-C is safe, the same command resumes")


def _plan(recipe: "Recipe", gpus: str | None, nodes: int, *, as_json: bool) -> None:
    """Print the plan of a recipe for GPUs, or for this machine."""
    from truing.models.gpus import read_gpus

    asked = None if gpus is None else read_gpus(gpus)
    _require_possible(recipe, weights=False)
    with doing(IMPORTING):
        from truing.runs.plans import plan_for, plan_here, planned_of
    planned = planned_of(recipe, say, gpu=asked is not None)
    with doing(message("running a pass without numbers")):
        found = plan_here(planned) if asked is None else plan_for(asked[1], asked[0] * nodes, planned)
    if as_json:
        print_json(found.as_json())
        return
    for line in found.lines():
        print(shown(line))


def train(
    recipe: RecipePath,
    set_: Overrides = None,
    output: Annotated[Path | None, typer.Option(help="The run folder, instead of the recipe's.")] = None,
    bad_rows: _BadRowsOption = None,
    allow_change: Annotated[
        list[str] | None, typer.Option(help="A key that may differ from the interrupted run's.")
    ] = None,
    trust_code: TrustCode = False,
) -> None:
    """Train a recipe; run the same command again to resume. Under `torchrun` many processes train it."""
    settle_trust(trust_code)
    with doing(message("reading {path}", path=recipe)):
        loaded = _load(recipe, set_, bad_rows, output)
    from truing.config.holding import require_free
    from truing.config.run_folder import RunFolder

    output, place = Path(loaded.recipe.output), launched()
    if place.size == 1:
        require_free(output)
    if place.main:
        _require_possible(loaded.recipe)
    with ExitStack() as held:
        folder = held.enter_context(RunFolder.open(output)) if place.size == 1 else None
        with doing(IMPORTING):
            from truing.models.world import joined
            from truing.runs.train import follow_recipe, train_recipe
        if not held.enter_context(joined(loaded.recipe.device)).main:
            follow_recipe(loaded.recipe)
            return
        # Of several ranks the first opens it once they are joined, and can tell the others why it cannot.
        folder = folder or held.enter_context(RunFolder.open(output))
        done = train_recipe(loaded.recipe, folder, say, stage, allow_change=allow_change or ())
    if done.scores and done.held_out:
        next_step(command("report", folder.path), "a page with its accuracy, calibration and margins")
    elif done.scores:
        next_step(command("score", "ROWS", model=folder.path), "score responses it has not seen")
    else:
        against = command("chat", folder.path, against=loaded.recipe.policy)
        next_step(against, "talk to it, before and after")


def export(
    run: Annotated[Path, typer.Argument(help="A run folder, or a folder with an adapter or a reward model.")],
    target: Annotated[Path, typer.Argument(help="Where the model goes; must not exist.")],
    merge: Annotated[bool, typer.Option(help="Merge the adapter into the weights.")] = True,
    dtype: Annotated[str, typer.Option(help="float32 or bfloat16.")] = "float32",
    evaluation: Annotated[
        Path | None, typer.Option(help="A folder of `truing eval`, whose numbers go to the model card.")
    ] = None,
    head_layout: Annotated[
        str | None, typer.Option(help=f"Of a reward model: {' or '.join(HEAD_LAYOUTS)}.")
    ] = None,
) -> None:
    """Write a folder that transformers opens. A reward model's .bin files are read here and nowhere else."""
    from truing.config.names import require_dtype
    from truing.models.sources import require_openable

    require_dtype(dtype)
    layout = head_layout or HEAD_LAYOUTS[0]
    if layout not in HEAD_LAYOUTS:
        said = "--head-layout {given}: expected one of {names}"
        raise UsageError(message(said, given=layout, names=", ".join(HEAD_LAYOUTS)))
    with doing(message("looking at {model}", model=run)):
        require_openable(str(run))
    with doing(IMPORTING):
        from truing.models.export import export_folder
        from truing.models.load import DTYPES
        from truing.models.trained import is_reward, load_trained
    if head_layout is not None or is_reward(str(run)):
        if not merge:
            raise UsageError(
                message("--no-merge: {run} holds a reward model, which is always whole", run=run)
            )
        _export_reward(run, target, layout, DTYPES[dtype])
        return
    found = _results(evaluation or run / "eval", asked=evaluation is not None)
    trained = load_trained(str(run), dtype="float32")
    facts = {"base_model": trained.base, **_facts_of(run)}
    how = {"merge": merge, "facts": facts, "dtype": DTYPES[dtype], "evaluation": found}
    with doing(message("writing {path}", path=target)):
        export_folder(trained.model, trained.tokenizer, target, **how)
    say(message("wrote {files}", files=target))
    next_step(command("chat", target), "or AutoModelForCausalLM.from_pretrained, or vllm serve")


def _facts_of(run: Path) -> dict[str, str]:
    """Return what a run tells of itself on a model card; nothing for a model that is no run."""
    from truing.models.results import find_run

    found = find_run(str(run))
    return found.facts if found else {}


def _results(folder: Path, *, asked: bool) -> "dict[str, Any] | None":
    """Read the results of an evaluation; None where there are none and `asked` is false."""
    path = folder / "results.json"
    if not path.is_file():
        if asked:
            said = message("{folder} has no results.json", folder=folder)
            raise UsageError(said, hint=message("it is the output of `truing eval`"))
        return None
    return json.loads(path.read_bytes())


def _export_reward(run: Path, target: Path, layout: HeadLayout, dtype: "torch.dtype") -> None:
    from truing.models.reward_folder import save_reward
    from truing.models.trained import load_trained_reward

    trained = load_trained_reward(str(run), import_bin=True)
    facts = {"base_model": trained.base, **_facts_of(run)}
    save_reward(trained.model, trained.tokenizer, target, layout, dtype=dtype, facts=facts)
    say(message("wrote {files}", files=target))
    next_step(command("score", "ROWS", model=target), "or AutoModelForSequenceClassification.from_pretrained")
