"""The ranks that `torchrun` starts in one evaluation: rank 0 evaluates, and all of them draw.

    rank 0     evaluate -> Side -> Drawers.draw(parts) -> a part for each rank -> all responses -> numbers
    others     follow(here, sides): draw the parts that rank 0 hands out, until it is done

A part is a batch as one process would read it, or a piece of one where there are fewer batches than ranks.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache

from truing.core.records import Record, key_of
from truing.models.world import World
from truing.sampling.speaker import Speaker
from truing.sampling.types import OnProgress, Sample, Sampling

DrawnPart = list[list[Sample]]  # of a part: the responses to each of its prompts


@dataclass(frozen=True)
class Order:
    """The parts of one round; rank r draws the r-th, if there is one, from the model `side`."""

    side: int
    parts: Sequence[Sequence[Record]]
    sampling: Sampling
    samples: int  # of each prompt


def draw(
    speaker: Speaker, part: Sequence[Record], sampling: Sampling, samples: int, progress: OnProgress
) -> DrawnPart:
    """Draw responses that depend on the text of a prompt, not on the other prompts."""
    keys = [key_of(one.prompt) for one in part]
    how = {"group_size": samples, "keys": keys, "on_progress": progress}
    drawn = speaker.answer(part, sampling, **how)
    return [drawn[place * samples : (place + 1) * samples] for place in range(len(part))]


def at_least(ranks: int, batches: Sequence[Sequence[int]]) -> list[Sequence[int]]:
    """Cut the longest batches into halves until every rank has one, or each is a single prompt."""
    found = list(batches)
    while len(found) < ranks and max(map(len, found)) > 1:
        place = max(range(len(found)), key=lambda place: len(found[place]))
        middle = len(found[place]) // 2
        found[place : place + 1] = [found[place][:middle], found[place][middle:]]
    return found


@dataclass(frozen=True)
class Drawers:
    """All ranks as rank 0 has them draw from one model of its evaluation."""

    here: World
    side: int

    def draw(
        self,
        speaker: Callable[[], Speaker],
        parts: Sequence[Sequence[Record]],
        sampling: Sampling,
        samples: int,
        progress: OnProgress,
    ) -> list[DrawnPart]:
        """Return the responses to the prompts of at most one part a rank."""
        order = Order(self.side, parts, sampling, samples)
        self.here.gather(order)
        found = self.here.gather(_own(self.here, order, speaker, progress))
        return [one for one in found if one is not None]


def follow(here: World, speakers: Sequence[Callable[[], Speaker]]) -> None:
    """Draw what rank 0 asks for until it dismisses this rank; `speakers` open the evaluation's models."""
    opened = [cache(speaker) for speaker in speakers]
    while (order := here.gather(None)[0]) is not None:
        here.gather(_own(here, order, opened[order.side], lambda done, total: None))


def dismiss(here: World) -> None:
    """End the work of the other ranks."""
    here.gather(None)


def _own(here: World, order: Order, speaker: Callable[[], Speaker], progress: OnProgress) -> DrawnPart | None:
    if here.rank >= len(order.parts):
        return None
    return draw(speaker(), order.parts[here.rank], order.sampling, order.samples, progress)
