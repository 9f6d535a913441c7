"""The cache that grows in place holds what transformers' own would."""

import torch
from transformers import LlamaConfig
from transformers.cache_utils import DynamicLayer

from truing.sampling.kv import GrowingLayer, growing_cache, survivors


def states(rows: int, tokens: int, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    draw = torch.Generator().manual_seed(seed)
    return torch.randn(rows, 2, tokens, 4, generator=draw), torch.randn(rows, 2, tokens, 4, generator=draw)


def test_tokens_rows_and_orders_are_those_of_the_plain_cache():
    ours, theirs = GrowingLayer(), DynamicLayer()
    for seed, tokens in enumerate((3, 1, 90, 1)):
        for mine, plain in zip(
            ours.update(*states(2, tokens, seed)), theirs.update(*states(2, tokens, seed)), strict=True
        ):
            assert torch.equal(mine, plain)
    for layer in (ours, theirs):
        layer.batch_repeat_interleave(2)
        layer.reorder_cache(torch.tensor([3, 1, 0]))
        layer.batch_select_indices(torch.tensor([2, 0]))
    assert torch.equal(ours.keys, theirs.keys) and torch.equal(ours.values, theirs.values)
    assert ours.get_seq_length() == theirs.get_seq_length() == 95


def test_a_token_more_moves_nothing():
    layer = GrowingLayer()
    before = layer.update(*states(2, 3, 0))[0].data_ptr()
    assert layer.update(*states(2, 1, 1))[0].data_ptr() == before


def test_only_layers_that_attend_to_all_are_replaced():
    config = LlamaConfig(num_hidden_layers=2, hidden_size=8, num_attention_heads=2)
    assert [type(layer) for layer in growing_cache(config).layers] == [GrowingLayer, GrowingLayer]


def test_survivors_move_as_few_rows_as_can_be() -> None:
    assert survivors([True, False, True, True]) == [0, 3, 2]
    assert survivors([False, True, False]) == [1]
    assert survivors([True, True, False]) == [0, 1]
