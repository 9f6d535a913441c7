"""`quickstart`, `doctor` and `schema`: the way in, the machine or a run, the recipe's shape."""

import importlib.util
import json
import platform
import shutil
from pathlib import Path
from typing import Annotated

import typer

from truing.cli.commands import command
from truing.cli.language import console_language, here
from truing.cli.show import IMPORTING, SMALL_MODEL, console, next_step, padded, say, stage
from truing.core.doing import doing
from truing.core.errors import UsageError
from truing.core.languages import Language
from truing.core.messages import joined, message


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
        from truing.core.words import speaking
        from truing.pipelines.quickstart import quickstart as run_quickstart
        from truing.reports.console import print_measures
    table = run_quickstart(output, say, stage, policy=model, language=language, minutes=minutes)
    with speaking(console_language()):
        print_measures(table, console)
    for name, part in (("report", "report.html"), ("numbers", "summary.json"), ("model", "model")):
        say(f"{padded(here(name), 9)}{output / part}")
    next_step(
        command("chat", output / "model", against=model),
        "ask both models the same question; then read docs/first-run.md to align your own model",
    )


def doctor(
    run: Annotated[
        Path | None,
        typer.Argument(
            help="A run folder, or a log of TRL, verl or prime-rl or its folder; without one, this machine.",
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
        raise UsageError(message("--strict is of a run: truing doctor RUN --strict"))
    _describe_machine()


def _describe_machine() -> None:
    """Print the abilities of this machine, and missing parts."""
    with doing(IMPORTING):
        import torch

        from truing.config.run_folder import versions
        from truing.core.places import cache_folder
        from truing.data.packed import INSTALL
        from truing.models.load import pick_device
        from truing.models.machine import cpu_line
        from truing.models.precision import has_fast_bf16, slow_bf16
    device = pick_device("auto")
    free = shutil.disk_usage(Path.cwd()).free
    on_cuda = device.type == "cuda"
    takes = message("fast, and what `dtype: auto` takes")
    spares = message("not slower, but `dtype: auto` takes float32: no instruction multiplies in it")
    fast = takes if has_fast_bf16(device) else slow_bf16(device) or spares
    rows = {
        "python": platform.python_version(),
        **versions(),
        "processor": cpu_line(),
        "device": f"{device} ({torch.cuda.get_device_name(device)})" if on_cuda else str(device),
        "bfloat16": fast,
        "disk": message("{gigabytes:.0f} GB free here", gigabytes=free / 1e9),
        "model cache": str(cache_folder()),
    }
    for key, value in rows.items():
        print(f"{padded(here(key), 14)}{here(value)}")
    if absent := [name for name in ("pyarrow", "zstandard") if importlib.util.find_spec(name) is None]:
        missing = "missing: {names}, for Parquet and .zst files: {remedy}"
        say(message(missing, names=joined(" and ", absent), remedy=INSTALL))
    if free < 5e9:
        say(message("missing: disk space; less than 5 GB are free and the quickstart needs about 3 GB"))
    next_step("truing quickstart", "CPU is fine for it")


def schema() -> None:
    """Print the JSON Schema of a recipe, for editors."""
    from truing.config.recipe import json_schema

    print(json.dumps(json_schema(), indent=2))
