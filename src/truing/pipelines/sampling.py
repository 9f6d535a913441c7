"""Responses to the prompts of a file, in any number: on this machine, on its ranks, or on servers."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from truing.core.errors import DataError, UsageError
from truing.core.messages import Say, message
from truing.core.records import Record
from truing.data.shards import Items, Shard
from truing.models.contents import contents_of_source
from truing.models.trained import load_trained
from truing.models.world import World
from truing.pipelines.portions import PortionWatch, RankPortion, portion_of, saying, whole
from truing.sampling.bulk import answer_here, answer_served
from truing.sampling.served import Servers, served
from truing.sampling.speaker import Speaker
from truing.sampling.types import Sampling


@dataclass(frozen=True)
class FileSampling:
    """A file of prompts to be answered by a model, `k` times each, into `output`."""

    model: str
    file: Path
    output: Path
    k: int
    settings: Mapping[str, Any]  # of `Sampling`
    shard: str | None = None  # I/N
    servers: Servers = field(default_factory=Servers)


def sample_file(asked: FileSampling, here: World, say: Say, watch: PortionWatch) -> int:
    """Answer the prompts of a file, from where an earlier call was stopped; return the number of rows.

    Every rank answers its part. The rows are in `output`, or in the file of the shard that was asked for.
    Raises DataError where no prompt can be asked.
    """
    sampling, tell = Sampling(**asked.settings), saying(here, say)
    Shard.of_all(asked.shard)
    if asked.servers and here.size > 1:
        raise UsageError(
            message("servers draw, and {n} processes were started to ask them", n=here.size),
            hint=message("start it alone: one process keeps all servers busy"),
        )
    items = Items.count([str(asked.file)], _has_prompt)
    tell(items.sources[0].describe())
    if not items.total:
        raise UsageError(
            message("no prompts given"), hint=message("--prompt 'Hello' or --file prompts.jsonl")
        )
    request = {"verb": "sample", "rows": items.sources[0].sha256, "k": asked.k, **asked.settings}
    request |= {"model": contents_of_source(asked.model)}
    if asked.servers:
        request["drawn_by"] = "servers"
    with portion_of(here, asked.output, asked.shard, items, request, say, watch) as portion:
        if portion.file.done < len(portion.file):
            _answer(asked, sampling, items, portion)
    rows = whole(here, portion)
    if not rows:
        raise DataError(
            message("{path}: none of {n} prompts can be asked", path=asked.file, n=items.total),
            hint=message("the lines above say why"),
        )
    return rows


def _has_prompt(record: Record) -> bool:
    return bool(record.prompt)


def _answer(asked: FileSampling, sampling: Sampling, items: Items, portion: RankPortion) -> None:
    file = portion.file
    coming = items.of(file.shard, file.done)
    how: dict[str, Any] = {"group_size": asked.k, "say": portion.say}
    if asked.servers:
        responder = served(asked.model, asked.servers, portion.say)
        with portion.watch("sampling", len(file), done=file.done) as line:
            answer_served(file, responder, coming, sampling, on_done=line.update, **how)
        return
    speaker = Speaker.of(load_trained(asked.model))
    with portion.watch("sampling", len(file), done=file.done) as line:
        answer_here(file, speaker, coming, sampling, on_done=line.update, **how)
