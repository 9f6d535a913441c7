"""The rows that are decoded together: their state, who sits where, and how prompts are put into batches."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import cast

import torch
from torch import Tensor
from transformers import Cache

from truing.sampling.noise import Address
from truing.sampling.types import Finish


@dataclass
class Response:
    """One response under way; `finish` is None until it has ended."""

    prompt: int
    k: int
    room: int  # tokens it may have
    address: Address
    tokens: list[int] = field(default_factory=list)
    logprobs: list[float] = field(default_factory=list)
    finish: Finish | None = None


@dataclass
class Batch:
    """Row i of every tensor belongs to rows[i]; before `spread`, to a prompt. B rows, T columns, V tokens.

    Columns are left-padded: all rows end at column `length`, and `mask` already has room for what follows.
    """

    rows: list[Response]
    cache: Cache
    logits: Tensor  # [B, V], what follows the newest token
    mask: Tensor  # [B, T] i64, 1 on tokens; padding is only ever in front
    positions: Tensor  # [B, 1] i64, of the newest token
    length: int
    noise: Tensor | None  # [B, max_new_tokens] f32, None when greedy
    seen: Tensor | None  # [B, V] bool, None without a repetition penalty

    def spread(self, siblings: int) -> None:
        """Each prompt's state becomes that of its `siblings` neighbouring rows; `noise` has them already."""
        if siblings == 1:
            return
        origin = torch.arange(len(self.logits), device=self.logits.device).repeat_interleave(siblings)
        noise, self.noise = self.noise, None
        self._take(origin)
        self.noise = noise

    def keep(self, index: Sequence[int]) -> None:
        """Row i becomes the old row index[i]; the others leave."""
        self.rows = [self.rows[i] for i in index]
        self._take(torch.tensor(index, device=self.logits.device))

    def accept(self, tokens: Tensor, alive: Sequence[bool]) -> Tensor:
        """One more token [B] a row, returned as [B, 1]. Ended rows keep their position."""
        self.positions = self.positions + torch.tensor(alive, device=tokens.device)[:, None]
        self.length += 1
        if self.seen is not None:
            self.seen.scatter_(1, tokens[:, None], True)
        return tokens[:, None]

    def _take(self, index: Tensor) -> None:
        self.cache.reorder_cache(cast(torch.LongTensor, index))
        self.logits, self.mask, self.positions = self.logits[index], self.mask[index], self.positions[index]
        self.noise = None if self.noise is None else self.noise[index]
        self.seen = None if self.seen is None else self.seen[index]


def survivors(alive: Sequence[bool]) -> list[int]:
    """Who takes each place when the ended leave: rows in front stay, those behind fill the gaps.

    survivors([True, False, True, True]) == [0, 3, 2]: the cache moves one row, not two.
    """
    count = sum(alive)
    behind = [row for row in range(count, len(alive)) if alive[row]]
    return [row if alive[row] else behind.pop() for row in range(count)]


def plan_batches(
    lengths: Sequence[int], room: Sequence[int], group_size: int, tokens_in_flight: int
) -> list[list[int]]:
    """Prompt indices by batch: neighbours in length together, longest first: what is too large fails early.

    Rows times the longest a row may become stay within `tokens_in_flight`; one group alone may be more.
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
