"""`score`: scores of rows by a reward model, response by response and summed up."""

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any

import typer

from truing.cli.commands import command
from truing.cli.data import FormatFlag, _BadRows, _Files, load_rows, stop_or_skip
from truing.cli.sample import ShardFlag
from truing.cli.show import IMPORTING, next_step, say, stage
from truing.cli.streams import print_json
from truing.core.doing import doing
from truing.core.errors import UsageError
from truing.core.messages import message
from truing.core.ranks import launched


def score(
    files: _Files,
    model: Annotated[
        str, typer.Option(help="A reward run, a folder with a reward model, a hub name or wheel:NAME.")
    ],
    output: Annotated[Path | None, typer.Option(help="Write JSON lines here, not to the terminal.")] = None,
    format_: FormatFlag = None,
    bad_rows: _BadRows = "stop",
    template: Annotated[
        str | None, typer.Option(help="auto, chat, alpaca or plain, instead of the run's own.")
    ] = None,
    dtype: Annotated[str, typer.Option(help="float32 or bfloat16.")] = "float32",
    as_json: Annotated[bool, typer.Option("--json", help="Print the summary as one JSON object.")] = False,
    shard: ShardFlag = None,
) -> None:
    """Score every response of rows with a reward model, and say how well it orders and how sure it is."""
    from truing.config.names import require_dtype, require_template
    from truing.models.sources import require_openable

    require_dtype(dtype)
    if template is not None:
        require_template(template)
    with doing(message("looking at {model}", model=model)):
        require_openable(model)
    if shard is not None or launched().size > 1:
        how = {"format": format_, "bad_rows": stop_or_skip(bad_rows), "template": template, "dtype": dtype}
        _score_parts(files, model, output, how, shard, as_json=as_json)
        return
    loaded = load_rows(files, format_, bad_rows).records
    where = ", ".join(files)
    with doing(IMPORTING):
        from truing.evals.rewards import summarise
        from truing.evals.scored import rendered_for, score_rows, scored_by, with_responses
        from truing.models.trained import load_trained_reward
    records = with_responses(loaded, where, say)
    trained = load_trained_reward(model, dtype=dtype)
    rendered = rendered_for(trained, records, where, template, say)
    with stage("scoring", len(rendered.trees)) as line:
        scored = scored_by(trained, rendered, line.update)
    _write(score_rows(scored), output, silent=as_json)
    summary = summarise(scored)
    if as_json:
        set_aside = len(records) - len(scored)
        print_json(summary.as_json() | {"set_aside": set_aside})
    else:
        for text in summary.lines():
            say(text)
    if output is not None:
        next_step(command("data show", output), "look at the responses with their scores")
    else:
        asked = command("score", *files, model=model, format_=format_, output="scored.jsonl")
        next_step(asked, "keep the scores")


def _score_parts(
    files: list[str],
    model: str,
    output: Path | None,
    how: dict[str, Any],
    shard: str | None,
    *,
    as_json: bool,
) -> None:
    """Score rows in parts, from where each was stopped; the summary is of the rows scored now."""
    if output is None:
        raise UsageError(
            message("--shard needs --output") if shard else message("several processes need --output")
        )
    with doing(IMPORTING):
        from truing.data.shards import Shard
        from truing.models.world import joined
        from truing.pipelines.scoring import FileScoring, score_files
    with joined("auto") as here:
        asked = FileScoring(files, model, output, shard=shard, **how)
        found = score_files(asked, here, say, stage)
    if not here.main:
        return
    if as_json:
        print_json((found.summary.as_json() if found.summary else {}) | {"set_aside": found.set_aside})
    elif found.summary is not None:
        for text in found.summary.lines():
            say(text)
    if shard is None:
        say(message("wrote {n} scores to {path}", n=found.rows, path=output))
        next_step(command("data show", output), "look at the responses with their scores")
        return
    mine = Shard.read(shard).within(0, here.size)
    written = mine.path_of(output) if here.size == 1 else mine.pattern(output)
    say(message("wrote {n} scores to {path}", n=found.rows, path=written))
    asked_next = command("data merge", mine.pattern(output), output=output)
    next_step(asked_next, "put the shards together, once all are done")


def _write(rows: Iterable[dict[str, Any]], output: Path | None, *, silent: bool) -> None:
    from truing.data.convert import write_jsonl

    if output is not None:
        say(message("wrote {n} scores to {path}", n=write_jsonl(output, rows), path=output))
    elif not silent:
        for line in rows:
            print_json(line)
