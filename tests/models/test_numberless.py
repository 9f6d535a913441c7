"""A pass without numbers takes, by its own account, the bytes of the same pass with numbers."""

import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensor

from truing.config.recipe import Lora
from truing.data.packing import pack, pad
from truing.kernels.attention_cpu import line_up
from truing.kernels.fused import fuse
from truing.kernels.layers import fuse_layers
from truing.models.load import add_adapter
from truing.models.numberless import footprint, numberless, shaped, without_numbers
from truing.models.recompute import recompute_layers
from truing.models.scoring import Scorer


def make(tiny, *, lora: bool, twice: bool, **changes):
    def model():
        base = tiny("llama", num_hidden_layers=3, **changes)
        if twice:
            recompute_layers(base)
        if not lora:
            return base.train()
        adapted = add_adapter(base, Lora(r=4), dropout=False, seed=0, trained=torch.float32)
        fuse(adapted)
        return adapted.train()

    return model


@pytest.mark.parametrize("layout", ["trees", "padded"])
@pytest.mark.parametrize(("lora", "twice"), [(True, False), (False, False), (True, True), (False, True)])
def test_the_bytes_are_those_of_the_pass_itself(tiny, pairs, lora, twice, layout):
    batch = {"trees": pack, "padded": pad}[layout](pairs)
    given = {"lora": lora, "twice": twice, "tie_word_embeddings": True}
    real, planned = make(tiny, **given)(), numberless(make(tiny, **given))
    fuse_layers(real)
    with without_numbers():
        assert fuse_layers(planned) > 0, "it has the kernels of the real one"
        found = footprint(Scorer(planned, layout=layout), shaped(batch))
    expected = footprint(Scorer(real, layout=layout), batch)
    for name, size in vars(expected).items():
        assert vars(found)[name] == pytest.approx(size, rel=0.02, abs=4096), name
    assert found.activations > 3 * found.per_layer > 0


def test_a_layer_that_runs_twice_keeps_its_input_alone(tiny, pairs):
    batch = pack(pairs)
    rows = batch.tokens.shape[1] + -batch.tokens.shape[1] % 64
    planned = numberless(make(tiny, lora=False, twice=True))
    with without_numbers():
        assert footprint(Scorer(planned, layout="trees"), shaped(batch)).per_layer == rows * 32 * 4


def test_nothing_without_numbers_is_left_behind(tiny, pairs):
    """A plan of the attention is kept for the next pass, which may have numbers."""
    batch = pack(pairs)
    planned = numberless(make(tiny, lora=False, twice=False))
    with without_numbers():
        footprint(Scorer(planned, layout="trees"), shaped(batch))
    assert batch.spans is not None
    assert not isinstance(line_up(batch.spans, None).mask, FakeTensor)
    assert all(parameter.grad is None for parameter in planned.parameters())


def test_tied_weights_stay_tied(tiny):
    planned = numberless(make(tiny, lora=False, twice=False, tie_word_embeddings=True))
    assert planned.lm_head.weight is planned.model.embed_tokens.weight
