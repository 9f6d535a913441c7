"""`score`: what a reward model says of rows, response by response and all together."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from truing.cli.commands import command
from truing.cli.data import BadRows, Files, FormatFlag, load_rows
from truing.cli.show import IMPORTING, next_step, say, stage
from truing.cli.streams import print_json
from truing.core.doing import doing
from truing.core.errors import DataError
from truing.core.messages import joined, message

if TYPE_CHECKING:
    from truing.core.records import Record
    from truing.data.limits import Rendered
    from truing.evals.rewards import ScoredRecord
    from truing.models.trained import Trained

TOKENS_PER_PASS = 4096


def score(
    files: Files,
    model: Annotated[
        str, typer.Option(help="A reward run, a folder with a reward model, a hub name or wheel:NAME.")
    ],
    output: Annotated[Path | None, typer.Option(help="Write JSON lines here, not to the terminal.")] = None,
    format_: FormatFlag = None,
    bad_rows: BadRows = "stop",
    template: Annotated[
        str | None, typer.Option(help="auto, chat, alpaca or plain, instead of the run's own.")
    ] = None,
    dtype: Annotated[str, typer.Option(help="float32 or bfloat16.")] = "float32",
    as_json: Annotated[bool, typer.Option("--json", help="Print the summary as one JSON object.")] = False,
) -> None:
    """Score every response of rows with a reward model, and say how well it orders and how sure it is."""
    from truing.config.names import require_dtype, require_template
    from truing.models.sources import require_openable

    require_dtype(dtype)
    if template is not None:
        require_template(template)
    with doing(message("looking at {model}", model=model)):
        require_openable(model)
    records = _with_responses(files, load_rows(files, format_, bad_rows).records)
    with doing(IMPORTING):
        from truing.evals.rewards import score_records, summarise
        from truing.models.reward import RewardScorer, choose_reward_layout
        from truing.models.trained import load_trained_reward
    trained = load_trained_reward(model, dtype=dtype)
    rendered = _render(files, records, trained, template)
    scorer = RewardScorer(trained.model)
    scorer.layout, _ = choose_reward_layout(scorer)
    with stage("scoring", len(rendered.trees)) as line:
        scored = score_records(scorer, rendered.records, rendered.trees, TOKENS_PER_PASS, line.update)
    _write(scored, output, silent=as_json)
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


def _with_responses(files: list[str], records: "list[Record]") -> "list[Record]":
    kept = [record for record in records if record.responses]
    if not kept:
        raise DataError(
            message("{paths}: no row has a response to score", paths=", ".join(files)),
            hint=message("let a model answer first: `truing sample MODEL --file FILE --output rows.jsonl`"),
        )
    if len(kept) < len(records):
        say(message("{n} rows without a response are left out", n=len(records) - len(kept)))
    return kept


def _render(
    files: list[str], records: "list[Record]", trained: "Trained", template: str | None
) -> "Rendered":
    """The records as trees that fit the model; what does not is told."""
    from truing.data.chat import make_renderer
    from truing.data.limits import Reason, render_all, require_written, told_refusal
    from truing.models.load import context_of

    renderer = make_renderer(trained.tokenizer, template or trained.template, ends=trained.ends)
    context = context_of(trained.model, trained.tokenizer)
    rendered = render_all(records, renderer, context)
    require_written(", ".join(files), rendered, all_of_them=True)
    if aside := rendered.aside:
        said = ", ".join(f"{count} {reason}" for reason, count in aside.items())
        left = message("{n} rows are not scored: {reasons}", n=sum(aside.values()), reasons=said)
        reads = message("the model reads {context} tokens", context=context)
        say(joined("; ", [left, reads]) if rendered.counts[Reason.TOO_LONG] else left)
    for error in rendered.refused[:5]:
        say(told_refusal(error))
    if not rendered.trees:
        raise DataError(
            message("{paths}: none of {n} rows can be scored", paths=", ".join(files), n=len(records)),
            hint=message("shorten them to {n} tokens", n=context),
        )
    return rendered


def _write(scored: "list[ScoredRecord]", output: Path | None, *, silent: bool) -> None:
    from truing.data.convert import write_jsonl

    if output is not None:
        say(message("wrote {n} scores to {path}", n=write_jsonl(output, _lines(scored)), path=output))
    elif not silent:
        for line in _lines(scored):
            print_json(line)


def _lines(scored: "list[ScoredRecord]") -> Iterator[dict[str, Any]]:
    """One object per response, in the order of the rows."""
    from truing.evals.rewards import ranks_of

    for row in scored:
        ranks = ranks_of(row.record) or [None] * len(row.scores)
        prompt = [turn.as_dict() for turn in row.record.prompt]
        for response, rank, number in zip(row.record.responses, ranks, row.scores, strict=True):
            said = {
                "rank": rank,
                "label": response.label,
                "row_score": response.score,
                "category": row.record.category,
            }
            yield {
                "place": row.record.place,
                "prompt": prompt,
                "response": response.text,
                "score": number,
                **{key: value for key, value in said.items() if value is not None},
            }
