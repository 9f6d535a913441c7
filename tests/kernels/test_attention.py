"""Tree attention behind transformers' interface, and the models that take it."""

import pytest
import torch

from truing.data.packing import pack
from truing.kernels.attention import TREES, takes_trees, tree_attention, using_trees
from truing.models.scoring import Scorer


def test_a_model_attends_by_trees_in_the_block_alone(tiny, trees):
    model = tiny()
    before = model.config._attn_implementation
    with pytest.raises(RuntimeError), using_trees(model):
        assert model.config._attn_implementation == TREES
        raise RuntimeError
    assert model.config._attn_implementation == before


def test_branches_of_a_row_score_as_each_alone(tiny, trees):
    with torch.no_grad():
        packed = Scorer(tiny(), layout="trees")(pack(trees)).logps
        alone = torch.cat([Scorer(tiny(), layout="padded")(pack_alone(tree)).logps for tree in trees])
    torch.testing.assert_close(packed, alone, atol=1e-4, rtol=1e-4)


def pack_alone(tree):
    from truing.data.packing import pad

    return pad([tree])


def test_a_model_with_caps_takes_no_trees(tiny):
    assert takes_trees(tiny())
    capped = tiny("gemma2", head_dim=8, attn_logit_softcapping=50.0)
    assert not takes_trees(capped)


def test_a_layer_with_a_window_of_its_own_is_refused(tiny):
    layer = tiny().model.layers[0].self_attn
    layer.config.layer_types = ["chunked_attention"] * 2
    q = torch.zeros(1, 4, 3, 8)
    with pytest.raises(ValueError, match="its chunked_attention is not handed to the attention function"):
        tree_attention(layer, q, q, q, None, spans=())
