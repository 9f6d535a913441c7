"""Keys and values that rows share, and the attention of one new token a row."""

import pytest
import torch
from torch.nn.functional import scaled_dot_product_attention
from transformers import (
    PreTrainedModel,
)

from truing.sampling.lean import LeanDecoder
from truing.sampling.shared import SharedCache
from truing.sampling.structure import read_structure

from .test_lean import PROMPTS, VOCABULARY, made


@pytest.fixture
def llama() -> PreTrainedModel:
    return made("llama")


def test_a_prompt_is_held_once_for_all_its_rows(llama) -> None:
    with torch.inference_mode():
        reading = LeanDecoder(read_structure(llama)).read(PROMPTS, 4, 12)
        assert reading.logits.shape == (20, VOCABULARY)
        assert reading.cache.stores[0].prompt_keys.shape[0] == 5
        reading.keep([0, 1, 2, 19])
        assert reading.cache.stores[0].prompt_keys.shape[0] == 2


def test_shared_attention_equals_one_row_at_a_time() -> None:
    """Prompts of 3 and 5 tokens, two rows each, 4 heads to 2 keys; after a step row 3 takes row 0's place."""
    generator = torch.Generator().manual_seed(0)
    read = [torch.randn(2, count, 2, 8, generator=generator) for count in (3, 5)]  # keys and values
    cache = SharedCache([3, 5], 2, layers=1, keys=2, dim=8, dtype=torch.float32)
    joined = torch.cat(read, 1)
    columns = torch.arange(cache.width)
    slots = torch.cat([columns.clamp(max=2), 3 + columns.clamp(max=4)])
    cache.fill(0, slice(0, 2), slots, joined[0], joined[1])
    own: list[list[torch.Tensor]] = [[], [], [], []]
    prompts = [0, 0, 1, 1]
    for index in (None, [3, 1, 2], [0, 2]):
        if index is not None:
            cache.keep(index)
            own, prompts = [own[row] for row in index], [prompts[row] for row in index]
        query = torch.randn(len(own), 4, 8, generator=generator)
        new = torch.randn(2, len(own), 2, 8, generator=generator)
        cache.advance()
        mixed = cache.attend(0, query, new[0], new[1], 0.3)
        for row, parts in enumerate(own):
            parts.append(new[:, row : row + 1])
            keys, values = torch.cat([read[prompts[row]], *parts], 1).transpose(1, 2)
            expected = scaled_dot_product_attention(
                query[row][:, None], keys, values, scale=0.3, enable_gqa=True
            )
            torch.testing.assert_close(mixed[row], expected.flatten(), atol=1e-5, rtol=1e-5)
