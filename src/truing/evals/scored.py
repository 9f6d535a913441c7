"""Rows scored by a reward model: from records to trees that fit it, and from scores to rows."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any

from truing.core.errors import DataError
from truing.core.messages import Say, joined, message
from truing.core.records import Message, Record
from truing.data.chat import make_renderer
from truing.data.limits import Reason, Rendered, render_all, require_written, told_refusal
from truing.data.shards import ShardFile
from truing.evals.rewards import ScoredRecord, ranks_of, score_records
from truing.models.load import context_of
from truing.models.reward import RewardScorer, choose_reward_layout
from truing.models.trained import Trained

TOKENS_PER_PASS = 4096
AT_ONCE = 256  # rows that a shard scores between two writes
SHOWN = 5  # rows that cannot be written, told one by one


def with_responses(records: Sequence[Record], where: str, say: Say) -> list[Record]:
    """Return the rows that have a response to score; errors call the rows `where`.

    Raises DataError where no row has a response.
    """
    kept = [record for record in records if record.responses]
    if not kept:
        raise DataError(
            message("{paths}: no row has a response to score", paths=where),
            hint=message("let a model answer first: `truing sample MODEL --file FILE --output rows.jsonl`"),
        )
    if len(kept) < len(records):
        say(message("{n} rows without a response are left out", n=len(records) - len(kept)))
    return kept


def rendered_for(
    trained: Trained, records: Sequence[Record], where: str, template: str | None, say: Say
) -> Rendered:
    """Return the records as trees that fit the model, in `template` or the model's own; tell of the rest.

    Raises DataError where no record fits.
    """
    renderer = make_renderer(trained.tokenizer, template or trained.template, ends=trained.ends)
    context = context_of(trained.model, trained.tokenizer)
    rendered = render_all(list(records), renderer, context)
    require_written(where, rendered, all_of_them=True)
    _tell_aside(rendered.aside, context, say)
    for error in rendered.refused[:SHOWN]:
        say(told_refusal(error))
    if not rendered.trees:
        raise DataError(
            message("{paths}: none of {n} rows can be scored", paths=where, n=len(records)),
            hint=message("shorten them to {n} tokens", n=context),
        )
    return rendered


def _tell_aside(aside: Counter[str], context: int, say: Say) -> None:
    """Say how many rows are not scored, by reason; nothing where all are."""
    if aside:
        said = ", ".join(f"{count} {reason}" for reason, count in aside.items())
        left = message("{n} rows are not scored: {reasons}", n=aside.total(), reasons=said)
        reads = message("the model reads {context} tokens", context=context)
        say(joined("; ", [left, reads]) if Reason.TOO_LONG.value in aside else left)


def scored_by(
    trained: Trained, rendered: Rendered, progress: Callable[[int], None] = lambda done: None
) -> list[ScoredRecord]:
    """Score every response; `progress` is told how many rows are done."""
    return score_records(_scorer(trained), rendered.records, rendered.trees, TOKENS_PER_PASS, progress)


def _scorer(trained: Trained) -> RewardScorer:
    scorer = RewardScorer(trained.model)
    scorer.layout, _ = choose_reward_layout(scorer)
    return scorer


def score_rows(scored: Sequence[ScoredRecord]) -> Iterator[dict[str, Any]]:
    """Yield one row a response, in the order of the rows: `place`, `prompt`, `response`, `score`.

    `rank`, `label`, `row_score` and `category` are those of the row, where it has them.
    """
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


@dataclass(frozen=True)
class ScoredShard:
    """The rows that were scored, without their words, and how many could not be."""

    scored: list[ScoredRecord]
    aside: int


def score_shard(
    file: ShardFile,
    trained: Trained,
    coming: Iterator[tuple[int, Record]],
    template: str | None,
    say: Say,
    progress: Callable[[int], None] = lambda done: None,
) -> ScoredShard:
    """Score the items of a shard that have no scores yet, and write them as they come.

    An item that cannot be scored has no rows. `progress` gets the number of items that are done.
    """
    renderer = make_renderer(trained.tokenizer, template or trained.template, ends=trained.ends)
    context = context_of(trained.model, trained.tokenizer)
    scorer, found, aside, shown = _scorer(trained), list[ScoredRecord](), Counter[str](), 0
    for some in file.left(AT_ONCE):
        items, records = zip(*islice(coming, len(some)), strict=True)
        rendered = render_all(list(records), renderer, context)
        aside += rendered.aside
        for error in rendered.refused[: SHOWN - shown]:
            say(told_refusal(error))
        shown = min(SHOWN, shown + len(rendered.refused))
        scored = score_records(scorer, rendered.records, rendered.trees, TOKENS_PER_PASS)
        of_items = [items[origin] for origin in rendered.origins]
        rows = [(item, row) for item, one in zip(of_items, scored, strict=True) for row in score_rows([one])]
        file.add(some, rows)
        found += map(_without_words, scored)
        progress(file.done)
    _tell_aside(aside, context, say)
    return ScoredShard(found, aside.total())


def _without_words(scored: ScoredRecord) -> ScoredRecord:
    """Return what a summary needs of a row: a million rows are in memory as numbers alone."""
    record = scored.record
    responses = tuple(replace(one, turns=_NO_WORDS) for one in record.responses)
    return replace(scored, record=Record((), responses, category=record.category))


_NO_WORDS = (Message("assistant", ""),)
