"""Many prompts answered into a shard: read as they are needed, written as they come, once each.

    local      items -> a batch of prompts -> the sampler -> rows on disk -> the next batch
    servers    items -> requests under way -> responses without their rows on disk -> rows on disk

Both hold a bounded number of prompts and responses, whatever the number of rows. Rows are written in the
order of their items, so responses to later prompts wait for those to earlier ones; `ROOM` bounds how many.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import islice, takewhile

from truing.core.messages import Say, message
from truing.core.records import Record
from truing.data.limits import told_refusal
from truing.data.refusals import RefusedRowError
from truing.data.shards import ShardFile
from truing.sampling.replies import reply_rows, writable
from truing.sampling.served import ServedResponder
from truing.sampling.speaker import Speaker
from truing.sampling.types import Sample, Sampling

AT_ONCE = 256  # responses between two writes
ROOM = 8  # responses under way or not yet written, for each request that servers may have at once
WRITE_SECONDS = 2.0  # after which rows are written, however few
SHOWN = 5  # prompts that cannot be asked, told one by one

ItemsLeft = Iterator[tuple[int, Record]]  # the items of a shard that have no rows yet, in order
OnDone = Callable[[int], None]  # of the number of items that are done


def answer_here(
    file: ShardFile,
    speaker: Speaker,
    asked: ItemsLeft,
    sampling: Sampling,
    *,
    group_size: int,
    say: Say,
    on_done: OnDone = lambda done: None,
) -> None:
    """Draw `group_size` responses to the prompts of a shard on this machine, batch by batch.

    The draws of a prompt are keyed by its item, so that they are those of one process over all prompts.
    """
    for items in file.left(max(1, AT_ONCE // group_size)):
        records = dict(islice(asked, len(items)))
        kept = writable(speaker, list(records.values()), say, required=False)
        written = set(map(id, kept))
        places = [item for item, record in records.items() if id(record) in written]
        said = speaker.answer(kept, sampling, group_size=group_size, keys=places) if kept else []
        rows = zip((places[one.prompt] for one in said), reply_rows(kept, said), strict=True)
        file.add(items, rows)
        on_done(file.done)


def answer_served(
    file: ShardFile,
    responder: ServedResponder,
    asked: ItemsLeft,
    sampling: Sampling,
    *,
    group_size: int,
    say: Say,
    on_done: OnDone = lambda done: None,
) -> None:
    """Draw `group_size` responses to the prompts of a shard on servers, as many at once as these may have."""
    window = _Window(file, responder, asked, group_size, say, on_done)
    responder.sampler.stream(window.prompts(), sampling, window.take, group_size=group_size, room=window.room)
    window.write(1)
    if window.refused > SHOWN:
        say(message("{n} prompts were not asked", n=window.refused))


@dataclass
class _Item:
    """An item that has no rows on disk yet."""

    record: Record
    wanted: int  # responses that are under way
    samples: list[Sample] = field(default_factory=list)


class _Window:
    """The items between the file that they come from and the file of their rows."""

    def __init__(
        self,
        file: ShardFile,
        responder: ServedResponder,
        asked: ItemsLeft,
        group_size: int,
        say: Say,
        on_done: OnDone,
    ) -> None:
        self.file, self.responder, self.asked, self.group_size = file, responder, asked, group_size
        self.say, self.on_done = say, on_done
        self.items: dict[int, _Item] = {}  # in the order of the file
        self.refused = 0
        self._due = time.monotonic() + WRITE_SECONDS

    @property
    def most(self) -> int:
        """Return the most responses that may be under way or unwritten."""
        return ROOM * self.responder.sampler.at_once

    def room(self) -> bool:
        """Tell whether another prompt may be read."""
        return len(self.items) * self.group_size < self.most

    def prompts(self) -> Iterator[tuple[int, list[int]]]:
        """Yield the prompts that can be asked, as items and token ids."""
        for item, record in self.asked:
            self.items[item] = _Item(record, 0)
            try:
                ids = self.responder.prompt_ids(record)
            except RefusedRowError as error:
                self._refuse(told_refusal(error))
                continue
            context = self.responder.sampler.context
            if context is not None and len(ids) >= context:
                said = "{place}: {n} tokens, and the servers' context is {context}"
                self._refuse(message(said, place=record.place, n=len(ids), context=context))
                continue
            self.items[item].wanted = self.group_size
            yield item, ids

    def _refuse(self, why: str) -> None:
        self.refused += 1
        if self.refused <= SHOWN:
            self.say(message("not asked: {row}", row=why))
        self.write(AT_ONCE)

    def take(self, sample: Sample) -> None:
        """Take a response in, and write those that are due."""
        item = self.items[sample.prompt]
        item.samples.append(sample)
        item.wanted -= 1
        if not item.wanted:
            self.write(AT_ONCE)

    def write(self, least: int) -> None:
        """Write the rows of the items before the first that is under way, where they are `least` or due.

        Half of what there is room for is always enough: else nothing more could be read.
        """
        first = next(iter(self.items.values()), None)
        if first is None or first.wanted:
            return
        items = list(takewhile(lambda item: not self.items[item].wanted, self.items))
        if len(items) * self.group_size < min(least, self.most // 2) and time.monotonic() < self._due:
            return
        rows: list[tuple[int, dict[str, object]]] = []
        for item in items:
            done = self.items.pop(item)
            samples = sorted(done.samples, key=lambda sample: sample.k)
            rows += [(item, row) for row in reply_rows({item: done.record}, samples)]
        self.file.add(items, rows)
        self._due = time.monotonic() + WRITE_SECONDS
        self.on_done(self.file.done)
