"""Rows scored by a reward model: from records to trees that fit it, and from scores to rows."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from truing.core.errors import DataError
from truing.core.messages import Say, joined, message
from truing.core.records import Record
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
    trained: Trained,
    records: Sequence[Record],
    where: str,
    template: str | None,
    say: Say,
    *,
    required: bool = True,
) -> Rendered:
    """Return the records as trees that fit the model, in `template` or the model's own; tell of the rest.

    Raises DataError where no record fits and one is `required`.
    """
    renderer = make_renderer(trained.tokenizer, template or trained.template, ends=trained.ends)
    context = context_of(trained.model, trained.tokenizer)
    rendered = render_all(list(records), renderer, context)
    if required:
        require_written(where, rendered, all_of_them=True)
    if aside := rendered.aside:
        said = ", ".join(f"{count} {reason}" for reason, count in aside.items())
        left = message("{n} rows are not scored: {reasons}", n=sum(aside.values()), reasons=said)
        reads = message("the model reads {context} tokens", context=context)
        say(joined("; ", [left, reads]) if rendered.counts[Reason.TOO_LONG] else left)
    for error in rendered.refused[:SHOWN]:
        say(told_refusal(error))
    if required and not rendered.trees:
        raise DataError(
            message("{paths}: none of {n} rows can be scored", paths=where, n=len(records)),
            hint=message("shorten them to {n} tokens", n=context),
        )
    return rendered


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


def score_shard(
    file: ShardFile,
    trained: Trained,
    rendered: Rendered,
    items: Sequence[int],
    progress: Callable[[int], None] = lambda done: None,
) -> list[ScoredRecord]:
    """Score the rows of a shard that have no scores yet, and write them as they come.

    `items` has the item of each record that `rendered` was made of; one that was set aside has no rows.
    `progress` gets the number of items that are done.
    """
    places: dict[int, list[int]] = {}  # of the trees of each item
    for place, origin in enumerate(rendered.origins):
        places.setdefault(items[origin], []).append(place)
    scorer, found = _scorer(trained), list[ScoredRecord]()
    for some in file.left(AT_ONCE):
        kept = [(item, place) for item in some for place in places.get(item, [])]
        records = [rendered.records[place] for _, place in kept]
        trees = [rendered.trees[place] for _, place in kept]
        scored = score_records(scorer, records, trees, TOKENS_PER_PASS)
        rows = [(item, row) for (item, _), one in zip(kept, scored, strict=True) for row in score_rows([one])]
        file.add(some, rows)
        found += scored
        progress(file.done)
    return found
