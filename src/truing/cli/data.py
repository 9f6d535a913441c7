"""`truing data`: look at rows, check them, turn them into other formats."""

import glob
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from truing.cli.commands import command
from truing.cli.language import here
from truing.cli.negatives import negatives
from truing.cli.refusals import refusals
from truing.cli.show import IMPORTING, SMALL_MODEL, console, next_step, say, shown
from truing.cli.streams import print_json
from truing.core.doing import doing
from truing.core.errors import UsageError
from truing.core.messages import message
from truing.core.records import Record

if TYPE_CHECKING:
    from truing.data.trees import Tree

app = typer.Typer(help="Look at rows, check them, convert them.", no_args_is_help=True)
_Files = Annotated[list[str], typer.Argument(help="JSON, JSONL, CSV or Parquet, also .gz and .zst.")]
FormatFlag = Annotated[str | None, typer.Option("--format", help="The format, where it is ambiguous.")]
_BadRows = Annotated[str, typer.Option(help="stop or skip.")]


def load_rows(files: list[str], format_: str | None, bad_rows: str, *, unranked: bool = False):
    """Read the rows of some files and print a line for each file; `unranked` as of `load_records`."""
    from truing.data.load import load_records

    with doing(message("reading {path}", path=", ".join(files))):
        loaded = load_records(files, format=format_, bad_rows=stop_or_skip(bad_rows), unranked=unranked)
    for source in loaded.sources:
        say(source.describe())
    return loaded


def stop_or_skip(bad_rows: str) -> Literal["stop", "skip"]:
    """Return what --bad-rows was given. Raises UsageError for another word."""
    if bad_rows not in ("stop", "skip"):
        raise UsageError(message("--bad-rows {given}: expected stop or skip", given=bad_rows))
    return bad_rows


@app.command(epilog="Example: `truing data show rows.jsonl --tokens`")
def show(
    files: _Files,
    format_: FormatFlag = None,
    count: Annotated[int, typer.Option("-n", min=1, help="How many rows.")] = 3,
    tokens: Annotated[bool, typer.Option(help="Show tokens, those that carry loss coloured.")] = False,
    model: Annotated[str, typer.Option(help="Whose tokenizer, with --tokens.")] = SMALL_MODEL,
    template: Annotated[str, typer.Option(help="auto, chat, alpaca or plain, with --tokens.")] = "auto",
    why: Annotated[
        int | None, typer.Option(min=1, help="Tell where the row of this number comes from.")
    ] = None,
) -> None:
    """Show rows as truing reads them."""
    if why is not None:
        _show_why(load_rows(files, format_, "skip").records, why)
        return
    if tokens:
        from truing.config.names import require_template
        from truing.models.sources import require

        require_template(template)
        require(model)
    records = load_rows(files, format_, "skip").records[:count]
    if tokens:
        from truing.cli.tokens import show_trees
        from truing.models.sources import resolve

        with doing(IMPORTING):
            from truing.data.chat import make_renderer
            from truing.data.limits import told_refusal
            from truing.data.refusals import RefusedRowError
            from truing.models.load import ends_of, load_tokenizer
        folder = resolve(model).path
        tokenizer = load_tokenizer(folder)
        renderer = make_renderer(tokenizer, template, ends=ends_of(folder))
        trees: list[Tree] = []
        for record in records:
            try:
                trees.append(renderer.tree(record))
            except RefusedRowError as error:
                say(told_refusal(error))
        show_trees(trees, tokenizer)
    else:
        for record in records:
            _show_record(record)
    next_step(command("data check", *files, format_=format_), "count what is wrong with the rest")


def _show_why(records: list[Record], number: int) -> None:
    """Show a row and its lineage. Raises UsageError for a number without a row, or a row without lineage."""
    from truing.cli.tokens import visible
    from truing.synthesis.lineage import LINEAGE, told_lineage

    found = next((one for one in records if one.number == number), None)
    if found is None:
        said = message("there is no row {number}: the file has {n}", number=number, n=len(records))
        raise UsageError(said, hint=message("--why takes the number of a row, from 1"))
    _show_record(found)
    lineage = found.columns.get(LINEAGE)
    if not isinstance(lineage, Mapping):
        said = message("row {number} has no lineage: no verb of truing made it", number=number)
        hint = message("rows of feedback, constitution, negatives and red-team have one")
        raise UsageError(said, hint=hint)
    for line in told_lineage(lineage):
        print(visible(shown(line)))


def _show_record(record: Record) -> None:
    from truing.cli.tokens import visible

    chance = "" if record.probability is None else f"  p {record.probability:g}"
    title = visible(f"── {record.place}  {record.kind.value}{chance}")
    console.print(title, style="bold", markup=False, soft_wrap=True)
    for turn in record.prompt:
        more = f" {turn.extras}" if turn.extras else ""
        print(visible(f"{turn.role}: {turn.content}{more}"))
    if record.given:
        print(visible(record.given))
    for item in record.rubric:
        said = "☐ {text} (weight {weight:g}, must)" if item.must else "☐ {text} (weight {weight:g})"
        print(visible(here(message(said, text=item.text, weight=item.weight))))
    for number, response in enumerate(record.responses, start=1):
        opinions = {"label": response.label, "score": response.score}
        said = "".join(f" ({here(name)} {value})" for name, value in opinions.items() if value is not None)
        print(visible(f"→ {number}{said.lower()}: {response.text}"))


@app.command(epilog="Example: `truing data check rows.jsonl --bad-rows skip`")
def check(files: _Files, format_: FormatFlag = None, bad_rows: _BadRows = "stop") -> None:
    """Read every row; list what cannot be used and copy it to FILE.quarantine.jsonl."""
    from truing.data.load import bytes_of, read_through

    quarantine = _quarantine(files[0])
    how: dict[str, Any] = {"format": format_, "bad_rows": stop_or_skip(bad_rows), "quarantine": quarantine}
    total = bytes_of(files) // 10**6
    said = message("reading {path}, in MB" if total else "reading {path}", path=", ".join(files))
    with doing(said, total or None) as tick:
        how["tick"] = lambda done: tick(min(done // 10**6, total)) if total else None
        sources, problems = read_through(files, **how)
    for source in sources:
        say(source.describe())
    for problem in problems[:20]:
        say(problem)
    if bad := sum(source.set_aside.total() for source in sources):
        more = "… " if bad > 20 else ""
        say(message("{more}{n} rows copied to {path}", more=more, n=bad, path=quarantine))
    next_step(command("data stats", *files, format_=format_), "lengths, languages, near-identical pairs")


def _quarantine(first: str) -> Path | None:
    """Return the quarantine file: beside a file, in the working folder for a pattern or hub, else None."""
    from truing.data.read import NO_FILES

    path = Path(first)
    if path.is_file():
        return path.with_name(f"{path.name}.quarantine.jsonl")
    return Path("quarantine.jsonl") if glob.has_magic(first) or first.startswith(NO_FILES) else None


@app.command(epilog="Example: `truing data convert pairs.json --to preference --output pairs.jsonl`")
def convert(
    files: _Files,
    to: Annotated[str, typer.Option(help="messages, prompt-completion, preference, unpaired, paddle …")],
    output: Annotated[Path, typer.Option("--output", "--out", help="Where the rows go, as JSON lines.")],
    format_: FormatFlag = None,
    bad_rows: _BadRows = "stop",
) -> None:
    """Write rows in another format."""
    from truing.data.convert import convert as convert_records
    from truing.data.convert import find_writer, write_jsonl

    find_writer(to)
    loaded = load_rows(files, format_, bad_rows)
    written = list(convert_records(loaded.records, to))
    lost = sum(max(0, len(record.responses) - 2) for record in loaded.records)
    if lost and to == "preference":
        said = "{n} responses between the best and the worst are left out; --to responses keeps them"
        say(message(said, n=lost))
    write_jsonl(output, written)
    say(message("wrote {n} rows to {path}", n=len(written), path=output))
    next_step(command("data show", output), "look at them")


@app.command(epilog="Example: `truing data merge 'samples-*-of-00008.jsonl' --output samples.jsonl`")
def merge(
    shards: Annotated[list[str], typer.Argument(help="The files that --shard wrote, or a pattern of them.")],
    output: Annotated[Path, typer.Option("--output", "--out", help="Where all rows go, as JSON lines.")],
) -> None:
    """Put the shards of sample or score together, each item once and in order."""
    from truing.data.load import expanded
    from truing.data.shards import merge as merge_shards

    files = [Path(name) for name in expanded(shards)]
    with doing(message("merging {n} shards", n=len(files))):
        count = merge_shards(files, output)
    say(message("wrote {n} rows to {path}", n=count, path=output))
    next_step(command("data show", output), "look at them")


app.command(epilog="Example: `truing data negatives answers.jsonl --rules numbers,hedges`")(negatives)
app.command(epilog="Example: `truing data refusals red-team/failures.jsonl --policy runs/mine`")(refusals)


@app.command(epilog="Example: `truing data stats rows.jsonl`")
def stats(files: _Files, format_: FormatFlag = None, bad_rows: _BadRows = "skip") -> None:
    """Count kinds, languages, lengths, duplicates and near-identical pairs."""
    from truing.data.stats import stats as stats_of

    found = stats_of(load_rows(files, format_, bad_rows).records)
    print_json(found, indent=2)
    next_step(command("check", "RECIPE"), "see the masks and the first step's loss")
