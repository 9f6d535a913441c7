"""`score`: scores of rows by a reward model, response by response and summed up."""

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any

import typer

from truing.cli.commands import command
from truing.cli.data import FormatFlag, _BadRows, _Files, load_rows, stop_or_skip
from truing.cli.show import IMPORTING, next_step, say, stage
from truing.cli.streams import print_json
from truing.cli.talk import ShardFlag
from truing.core.doing import doing
from truing.core.errors import UsageError
from truing.core.messages import message


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
    if shard is not None:
        how = {"template": template, "dtype": dtype}
        _score_shard(files, model, output, format_, bad_rows, how, shard)
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


def _score_shard(
    files: list[str],
    model: str,
    output: Path | None,
    format_: str | None,
    bad_rows: str,
    how: dict[str, str | None],
    given: str,
) -> None:
    """Score one shard of rows, from where it was stopped; its summary is of the rows scored now."""
    from truing.data.shards import Shard, ShardFile, records_of

    shard = Shard.read(given)
    if output is None:
        raise UsageError(message("--shard needs --output"))
    asked, total, sources = records_of(
        files,
        shard,
        lambda record: bool(record.responses),
        format=format_,
        bad_rows=stop_or_skip(bad_rows),
    )
    for source in sources:
        say(source.describe())
    with doing(IMPORTING):
        from truing.evals.rewards import summarise
        from truing.evals.scored import rendered_for, score_shard, with_responses
        from truing.models.contents import contents_of_source
        from truing.models.trained import load_trained_reward
    where = ", ".join(files)
    if not total:
        with_responses([], where, say)
    request = {"verb": "score", "rows": [source.sha256 for source in sources], "format": format_, **how}
    request["model"] = contents_of_source(model)
    with (
        ShardFile(shard, output, total, request) as part,
        stage("scoring", len(part), done=part.done) as line,
    ):
        if part.done < len(part):
            trained = load_trained_reward(model, dtype=str(how["dtype"]))
            records = list(asked.values())
            rendered = rendered_for(trained, records, where, how["template"], say, required=False)
            scored = score_shard(part, trained, rendered, list(asked), line.update)
            for text in summarise(scored).lines() if scored else []:
                say(text)
    say(message("wrote {n} scores to {path}", n=part.rows, path=part.path))
    asked_next = command("data merge", shard.pattern(output), output=output)
    next_step(asked_next, "put the shards together, once all are done")


def _write(rows: Iterable[dict[str, Any]], output: Path | None, *, silent: bool) -> None:
    from truing.data.convert import write_jsonl

    if output is not None:
        say(message("wrote {n} scores to {path}", n=write_jsonl(output, rows), path=output))
    elif not silent:
        for line in rows:
            print_json(line)
