"""Scores of the rows of files in parts: of a shard that was asked for, or of the ranks of one machine."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from truing.core.messages import Say
from truing.core.records import Record
from truing.data.load import BadRows
from truing.data.shards import Items, Shard
from truing.evals.reward_summary import RewardSummary
from truing.evals.rewards import summarise
from truing.evals.scored import ScoredShard, score_shard, with_responses
from truing.models.contents import contents_of_source
from truing.models.trained import load_trained_reward
from truing.models.world import World
from truing.pipelines.portions import PortionWatch, RankPortion, portion_of, saying, whole


@dataclass(frozen=True)
class FileScoring:
    """Files of rows to be scored by a reward model into `output`."""

    files: Sequence[str]
    model: str
    output: Path
    format: str | None = None
    bad_rows: BadRows = "stop"
    template: str | None = None
    dtype: str = "float32"
    shard: str | None = None  # I/N


@dataclass(frozen=True)
class PartScores:
    """The number of rows of scores on disk, and the summary of the rows that were scored in this call."""

    rows: int
    summary: RewardSummary | None
    set_aside: int  # rows that cannot be scored


def score_files(asked: FileScoring, here: World, say: Say, watch: PortionWatch) -> PartScores:
    """Score rows, from where an earlier call was stopped. Every rank scores its part.

    Raises DataError where no row has a response.
    """
    Shard.of_all(asked.shard)
    items = Items.count(asked.files, _has_response, format=asked.format, bad_rows=asked.bad_rows)
    for source in items.sources:
        saying(here, say)(source.describe())
    if not items.total:
        with_responses([], _where(asked), say)
    request = {"verb": "score", "rows": [source.sha256 for source in items.sources], "format": asked.format}
    request |= {"template": asked.template, "dtype": asked.dtype, "model": contents_of_source(asked.model)}
    done = ScoredShard([], 0)
    with portion_of(here, asked.output, asked.shard, items, request, say, watch) as portion:
        if portion.file.done < len(portion.file):
            done = _score(asked, items, portion)
    rows = whole(here, portion)
    parts = here.gather(done)
    found = [one for part in parts for one in part.scored]
    return PartScores(rows, summarise(found) if found else None, sum(part.aside for part in parts))


def _has_response(record: Record) -> bool:
    return bool(record.responses)


def _where(asked: FileScoring) -> str:
    return ", ".join(asked.files)


def _score(asked: FileScoring, items: Items, portion: RankPortion) -> ScoredShard:
    """Score the items of a portion that have no scores yet."""
    file = portion.file
    trained = load_trained_reward(asked.model, dtype=asked.dtype)
    with portion.watch("scoring", len(file), done=file.done) as line:
        coming = items.of(file.shard, file.done)
        return score_shard(file, trained, coming, asked.template, portion.say, line.update)
