"""The rows that are decoded together: their state, their places, and the division of prompts into batches."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from torch import Tensor

from truing.sampling.decode import Reading
from truing.sampling.noise import Address
from truing.sampling.types import Finish


@dataclass
class OpenResponse:
    """One response under way; `finish` is None until it has ended."""

    prompt: int
    k: int
    room: int  # tokens it may have
    address: Address
    tokens: list[int] = field(default_factory=list)
    logprobs: list[float] = field(default_factory=list)
    finish: Finish | None = None


@dataclass(frozen=True)
class BatchPart:
    """Rows that are read together: for each of some prompts, the same part of its siblings."""

    prompts: Sequence[int]
    siblings: Sequence[int]

    @property
    def rows(self) -> int:
        return len(self.prompts) * len(self.siblings)

    def halves(self) -> "list[BatchPart]":
        """Split into two parts of about half the rows; return none for a single row."""
        if (middle := len(self.prompts) // 2) > 0:
            return [BatchPart(some, self.siblings) for some in (self.prompts[:middle], self.prompts[middle:])]
        if (middle := len(self.siblings) // 2) > 0:
            return [
                BatchPart(self.prompts, some) for some in (self.siblings[:middle], self.siblings[middle:])
            ]
        return []


@dataclass
class Batch:
    """Rows under way with their tensors: row i of every tensor belongs to rows[i]. B rows, V tokens."""

    rows: list[OpenResponse]
    reading: Reading
    noise: Tensor | None  # [B, max_new_tokens] f32, None when greedy
    seen: Tensor | None  # [B, V] bool, None without a repetition penalty

    def extend(self, tokens: Tensor) -> None:
        """Add one token to each row, [B]."""
        self.reading.extend(tokens)
        if self.seen is not None:
            self.seen.scatter_(1, tokens[:, None], True)

    def keep(self, index: Sequence[int]) -> None:
        """Keep the rows of `index`: row i becomes the old row index[i], and the others leave."""
        self.rows = [self.rows[row] for row in index]
        self.reading.keep(index)
        self.noise = None if self.noise is None else self.noise[index]
        self.seen = None if self.seen is None else self.seen[index]


def plan_batches(
    lengths: Sequence[int], room: Sequence[int], group_size: int, tokens_in_flight: int
) -> list[list[int]]:
    """Put prompts of similar length into batches, longest first, so that too large a batch fails early.

    Returns prompt indices by batch. The rows of a batch times their longest possible length stay within
    `tokens_in_flight`; a single group may exceed it.
    """
    batches: list[list[int]] = []
    longest = 0
    for index in sorted(range(len(lengths)), key=lambda index: -lengths[index]):
        longest = max(longest, lengths[index] + room[index])
        if batches and (len(batches[-1]) + 1) * group_size * longest <= tokens_in_flight:
            batches[-1].append(index)
        else:
            batches.append([index])
            longest = lengths[index] + room[index]
    return batches
