"""Work on the items of files, divided: over shards by the user, over the ranks of one machine by `torchrun`.

    with joined("auto") as here, portion_of(here, output, "2/8", items, request) as portion:
        ...                                     the items of this process, into `portion.file`
    whole(here, portion)                           all rows in `output`, where no shard was asked for

Each process writes a shard of its own, with its note, so whatever is killed goes on. Without `--shard` the
shards are those of the ranks, or one, and rank 0 merges and removes them.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from truing.core.messages import Say
from truing.data.shards import Items, Shard, ShardFile, merge, remove
from truing.models.world import World, apart


class PortionLine(Protocol):
    """A display that is told how many items of this process are done."""

    def update(self, done: int) -> None: ...


PortionWatch = Callable[
    ..., AbstractContextManager[PortionLine]
]  # of a title, a number of items, those `done`


class _Unseen:
    def update(self, done: int) -> None:
        """Show nothing."""


@contextmanager
def _unwatched(title: str, total: int, *, done: int = 0) -> Iterator[PortionLine]:
    yield _Unseen()


def _unsaid(line: str) -> None:
    """Tell nobody."""


@dataclass(frozen=True)
class RankPortion:
    """The part of this process: its shard, and how it tells of its work, which rank 0 alone does."""

    file: ShardFile
    output: Path
    shards: int
    merges: bool
    say: Say
    watch: PortionWatch


def saying(here: World, say: Say) -> Say:
    """Return the way in which this rank tells people: only rank 0 does."""
    return say if here.main else _unsaid


@contextmanager
def portion_of(
    here: World,
    output: Path,
    shard: str | None,
    items: Items,
    request: Mapping[str, Any],
    say: Say,
    watch: PortionWatch,
) -> Iterator[RankPortion]:
    """Open the shard of this rank, and work alone in the block; `request` is all that rows follow from.

    `shard` is that of `--shard`: ranks then divide its items. Raises UsageError for a shard of other work.
    """
    mine = Shard.of_all(shard).within(here.rank, here.size)
    shown = watch if here.main else _unwatched
    with apart(), ShardFile(mine, output, items.total, request) as file:
        yield RankPortion(file, output, mine.of, shard is None, saying(here, say), shown)


def whole(here: World, portion: RankPortion) -> int:
    """Wait for all ranks and count their rows; rank 0 merges the shards where no `--shard` was asked for."""
    rows = sum(here.gather(portion.file.rows))
    if portion.merges and here.main:
        paths = [
            Shard(number, portion.shards).path_of(portion.output) for number in range(1, portion.shards + 1)
        ]
        merge(paths, portion.output)
        for path in paths:
            remove(path)
    return rows
