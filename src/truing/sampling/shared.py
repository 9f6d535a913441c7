"""Keys and values of rows that share prompts, and the attention of one new token a row.

A prompt's keys are held once, however many rows follow the prompt, and one product takes the queries of all
these rows. Each row holds the keys of its own response. Heads that share a key are rows of the same product,
so no key is repeated. Stores have no spare columns but those up to a multiple of `GRAIN`: PyTorch copies a
part of a store before each product, and oneDNN takes milliseconds to build a kernel for every new shape.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import pad

from truing.sampling.kv import survivors

GRAIN = 32


@dataclass
class Store:
    """One layer: P prompts of up to W tokens, B rows of up to R of their own, K keys a token of D numbers."""

    prompt_keys: Tensor  # [P, K, W, D]
    prompt_values: Tensor  # [P, K, W, D]
    keys: Tensor  # [B, K, R, D]
    values: Tensor  # [B, K, R, D]


class SharedCache:
    """The stores of all layers and the places of rows in them. Row b follows prompt `origin[b]`.

    Made for `siblings` rows to each prompt, next to each other; `keep` may leave them in any order.
    """

    def __init__(
        self, lengths: Sequence[int], siblings: int, *, layers: int, keys: int, dim: int, dtype: torch.dtype
    ) -> None:
        prompts, rows = len(lengths), len(lengths) * siblings
        self.width = _grained(max(lengths))
        self.written = 0  # columns of the rows' own
        self.origin = [prompt for prompt in range(prompts) for _ in range(siblings)]
        shape, own = (prompts, keys, self.width, dim), (rows, keys, 0, dim)
        self.stores = [
            Store(*(torch.zeros(size, dtype=dtype) for size in (shape, shape, own, own)))
            for _ in range(layers)
        ]
        ends = torch.tensor(lengths).repeat_interleave(siblings)
        # [B, 1, 1, W + R] f32, -inf where a column holds no token.
        self._mask = torch.zeros(rows, 1, 1, self.width)
        self._mask.masked_fill_(torch.arange(self.width) >= ends[:, None, None, None], -math.inf)
        self._seat()

    def fill(self, layer: int, prompts: slice, slots: Tensor, key: Tensor, value: Tensor) -> None:
        """Store keys and values of some prompts, [n, K, D]; `slots` [prompts * W] has each column's token."""
        store = self.stores[layer]
        for held, new in ((store.prompt_keys, key), (store.prompt_values, value)):
            held[prompts] = new[slots].view(-1, self.width, *new.shape[1:]).transpose(1, 2)

    def advance(self) -> None:
        """Add one column, which every layer then fills by `attend`."""
        if self.written == self.stores[0].keys.shape[2]:
            more = _grained(1 + self.written // 8)
            self._mask = pad(self._mask, (0, more), value=-math.inf)
            for store in self.stores:
                store.keys = pad(store.keys, (0, 0, 0, more))
                store.values = pad(store.values, (0, 0, 0, more))
        self._mask[..., self.width + self.written] = 0
        self.written += 1

    def attend(self, layer: int, query: Tensor, key: Tensor, value: Tensor, scale: float) -> Tensor:
        """Attend with one token a row: query [B, H, D], key and value [B, K, D], to [B, H * D]."""
        store = self.stores[layer]
        store.keys[:, :, self.written - 1] = key
        store.values[:, :, self.written - 1] = value
        rows, keys, dim = key.shape
        query = query.reshape(rows, keys, -1, dim)
        before = self._over_prompts(query, store.prompt_keys.transpose(2, 3))
        since = torch.bmm(query.flatten(0, 1), store.keys.flatten(0, 1).transpose(1, 2))
        scores = torch.cat([before, since.view(rows, keys, -1, since.shape[-1])], -1)
        weights = torch.add(self._mask, scores, alpha=scale).softmax(-1).to(query.dtype)
        mixed = self._over_prompts(weights[..., : self.width], store.prompt_values).flatten(0, 1)
        own = weights[..., self.width :].flatten(0, 1)
        return torch.baddbmm(mixed, own, store.values.flatten(0, 1)).view(rows, -1)

    def keep(self, index: Sequence[int]) -> None:
        """Make row i the old row index[i]; drop the other rows, and the prompts that no row follows."""
        origin = [self.origin[row] for row in index]
        followed = set(origin)
        prompts = survivors([prompt in followed for prompt in range(max(self.origin) + 1)])
        for store in self.stores:
            store.prompt_keys = _moved(store.prompt_keys, prompts)
            store.prompt_values = _moved(store.prompt_values, prompts)
            store.keys, store.values = _moved(store.keys, index), _moved(store.values, index)
        self._mask = self._mask[torch.tensor(index)]
        place = {prompt: at for at, prompt in enumerate(prompts)}
        self.origin = [place[prompt] for prompt in origin]
        self._seat()

    def _seat(self) -> None:
        """Give every prompt as many seats as the most followed one needs; spare seats repeat row 0."""
        followers: list[list[int]] = [[] for _ in range(max(self.origin) + 1)]
        for row, prompt in enumerate(self.origin):
            followers[prompt].append(row)
        self.seats = max(map(len, followers))  # to a prompt
        rows = [row for own in followers for row in own + [0] * (self.seats - len(own))]
        seat = [0] * len(self.origin)
        for prompt, own in enumerate(followers):
            for at, row in enumerate(own):
                seat[row] = prompt * self.seats + at
        in_order = rows == list(range(len(self.origin)))
        self._row_of_seat = None if in_order else torch.tensor(rows)
        self._seat_of_row = None if in_order else torch.tensor(seat)

    def _over_prompts(self, rows: Tensor, held: Tensor) -> Tensor:
        """Multiply each row by its prompt's tensor: [B, K, G, X] and [P, K, X, Y] to [B, K, G, Y]."""
        _, keys, heads, size = rows.shape
        seated = rows if self._row_of_seat is None else rows[self._row_of_seat]
        together = seated.reshape(-1, self.seats, keys, heads, size).transpose(1, 2)
        found = torch.bmm(together.reshape(-1, self.seats * heads, size), held.flatten(0, 1))
        found = found.view(-1, keys, self.seats, heads, found.shape[-1]).transpose(1, 2).flatten(0, 1)
        return found if self._seat_of_row is None else found[self._seat_of_row]


def _grained(columns: int) -> int:
    return columns + -columns % GRAIN


def _moved(store: Tensor, index: Sequence[int]) -> Tensor:
    """Return the first len(index) rows of `store`, after overwriting those that change."""
    moved = [place for place, row in enumerate(index) if row != place]
    if moved:
        store[torch.tensor(moved)] = store[torch.tensor([index[place] for place in moved])]
    return store[: len(index)]
