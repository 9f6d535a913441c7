"""`quickstart`, `doctor` and `schema`: the way in, the machine or a run, the recipe's shape."""

import importlib.util
import json
import platform
import shutil
from pathlib import Path
from typing import Annotated

import typer

from truing.cli.commands import command
from truing.cli.show import IMPORTING, SMALL_MODEL, console, next_step, say, stage
from truing.core.doing import doing
from truing.core.errors import UsageError
from truing.core.languages import Language
from truing.core.messages import message


def quickstart(
    output: Annotated[Path, typer.Option(help="Where everything goes.")] = Path("quickstart"),
    model: Annotated[str, typer.Option(help="The model to start from.")] = SMALL_MODEL,
    minutes: Annotated[
        float | None,
        typer.Option(min=1, help="What it may take; more learns from more topics.  [default: 5]"),
    ] = None,
    language: Annotated[Language, typer.Option(help="Of the prompts and of the report.")] = "en",
) -> None:
    """Make a real 135M model safer in about five minutes, measure it before and after, write a report.

    Stopped with Ctrl-C, the same command goes on from there.
    """
    from truing.models.sources import require

    with doing(message("looking at {model}", model=model)):
        require(model)
    with doing(IMPORTING):
        from truing.evals.console import print_measures
        from truing.pipelines.quickstart import quickstart as run_quickstart
    table = run_quickstart(output, say, stage, policy=model, language=language, minutes=minutes)
    print_measures(table, console)
    for name, part in (("report", "report.html"), ("numbers", "summary.json"), ("model", "model")):
        say(f"{name:9}{output / part}")
    next_step(
        command("chat", output / "model", against=model),
        "ask both models the same question; then read docs/first-run.md to align your own model",
    )


def doctor(
    run: Annotated[
        Path | None,
        typer.Argument(
            help="A run folder, or a trainer_state.json of TRL or its folder; without one, this machine.",
            show_default=False,
        ),
    ] = None,
    strict: Annotated[bool, typer.Option(help="Exit with 4 where a run is not healthy.")] = False,
) -> None:
    """Say what went wrong in a run, since when and what to do; or what this machine can do."""
    if run is not None:
        from truing.cli.doctor import diagnose_run

        diagnose_run(run, strict=strict)
        return
    if strict:
        raise UsageError("--strict is of a run: truing doctor RUN --strict")
    _describe_machine()


def _describe_machine() -> None:
    """What this machine can do and what is missing."""
    with doing(IMPORTING):
        import torch

        from truing.core.runs import versions
        from truing.data.read import INSTALL
        from truing.models.load import pick_device
        from truing.models.machine import cpu_line
        from truing.models.precision import has_fast_bf16, slow_bf16
        from truing.models.sources import cache_folder
    device = pick_device("auto")
    free = shutil.disk_usage(Path.cwd()).free
    on_cuda = device.type == "cuda"
    fast = "fast, and what `dtype: auto` takes" if has_fast_bf16(device) else slow_bf16(device)
    rows = {
        "python": platform.python_version(),
        **versions(),
        "processor": cpu_line(),
        "device": f"{device} ({torch.cuda.get_device_name(device)})" if on_cuda else str(device),
        "bfloat16": fast or "not slower, but `dtype: auto` takes float32: no instruction multiplies in it",
        "disk": f"{free / 1e9:.0f} GB free here",
        "model cache": str(cache_folder()),
    }
    for key, value in rows.items():
        print(f"{key:14}{value}")
    if absent := [name for name in ("pyarrow", "zstandard") if importlib.util.find_spec(name) is None]:
        say(f"missing: {' and '.join(absent)}, for Parquet and .zst files: {INSTALL}")
    if free < 5e9:
        say("missing: disk space; less than 5 GB are free and the quickstart needs about 3 GB")
    next_step("truing quickstart", "CPU is fine for it")


def schema() -> None:
    """Print the JSON Schema of a recipe, for editors."""
    from truing.core.recipe import json_schema

    print(json.dumps(json_schema(), indent=2))
