"""Keys and values of the tokens read so far, written in place.

transformers' `DynamicLayer` concatenates, so every step copies the whole cache and ended rows cost another;
`GrowingLayer` keeps room at the end instead. Layers of other kinds (sliding window, linear attention) stay
transformers' own. For a 135M model after prompts of 250 tokens this is about a tenth of the decoding time.
"""

from collections.abc import Sequence

import torch
from torch import Tensor
from transformers import DynamicCache, PreTrainedConfig
from transformers.cache_utils import DynamicLayer


class GrowingLayer(DynamicLayer):
    """Like `DynamicLayer`, but `keys` and `values` [B, H, T, D] are views of larger tensors [B, H, R, D]."""

    def __init__(self, **kwargs) -> None:
        super().__init__(**kwargs)
        self._key_store: Tensor | None = None
        self._value_store: Tensor | None = None

    def update(self, key_states: Tensor, value_states: Tensor, *args, **kwargs) -> tuple[Tensor, Tensor]:
        """Append states [B, H, S, D]; return all keys and values [B, H, T + S, D]."""
        if not self.is_initialized:
            self.lazy_initialization(key_states, value_states)
        start = self.get_seq_length()
        end = start + key_states.shape[-2]
        self._key_store = _with_room(self._key_store, key_states, start)
        self._value_store = _with_room(self._value_store, value_states, start)
        self._key_store[:, :, start:end] = key_states
        self._value_store[:, :, start:end] = value_states
        self.keys, self.values = self._key_store[:, :, :end], self._value_store[:, :, :end]
        return self.keys, self.values

    def reorder_cache(self, beam_idx: Tensor) -> None:
        """Make row i the old row beam_idx[i]; move only rows that change, unless rows are added."""
        length = self.get_seq_length()
        if self._key_store is None or self._value_store is None:
            return
        self._key_store = _reordered(self._key_store, beam_idx, length)
        self._value_store = _reordered(self._value_store, beam_idx, length)
        self.keys, self.values = self._key_store[:, :, :length], self._value_store[:, :, :length]

    def batch_repeat_interleave(self, repeats: int) -> None:
        self.reorder_cache(self._rows().repeat_interleave(repeats))

    def batch_select_indices(self, indices: Tensor) -> None:
        self.reorder_cache(self._rows()[indices])

    def _rows(self) -> Tensor:
        return torch.arange(0 if self._key_store is None else len(self._key_store))


def _with_room(store: Tensor | None, states: Tensor, used: int) -> Tensor:
    """Return `store` if `states` [B, H, S, D] fit behind its first `used` columns, else a longer copy."""
    needed = used + states.shape[-2]
    if store is not None and store.shape[-2] >= needed:
        return store
    rows, heads, _, dim = states.shape
    larger = states.new_empty(rows, heads, needed + max(64, needed // 2), dim)
    if store is not None:
        larger[:, :, :used] = store[:, :, :used]
    return larger


def _reordered(store: Tensor, index: Tensor, used: int) -> Tensor:
    index = index.to(store.device)
    if len(index) > len(store):
        larger = store.new_empty(len(index), *store.shape[1:])
        larger[:, :, :used] = store[index, :, :used]
        return larger
    moved = (index != torch.arange(len(index), device=store.device)).nonzero().squeeze(-1)
    store[moved, :, :used] = store[index[moved], :, :used]
    return store[: len(index)]


def growing_cache(config: PreTrainedConfig) -> DynamicCache:
    """Make an empty cache for this model, whose full-attention layers are written in place."""
    cache = DynamicCache(config=config)
    cache.layers = [GrowingLayer() if type(layer) is DynamicLayer else layer for layer in cache.layers]
    return cache


def survivors(alive: Sequence[bool]) -> list[int]:
    """Return the row for each place after ended rows leave: rows in front stay, rows behind fill the gaps.

    survivors([True, False, True, True]) == [0, 3, 2]: the cache moves one row, not two.
    """
    count = sum(alive)
    behind = [row for row in range(count, len(alive)) if alive[row]]
    return [row if alive[row] else behind.pop() for row in range(count)]
