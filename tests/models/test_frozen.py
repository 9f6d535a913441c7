"""States below the lowest trained layer, kept: a pass that begins with them says what a whole one says."""

from dataclasses import replace

import pytest
import torch

from truing.config.recipe import Lora
from truing.data.packing import pack, pad
from truing.models import frozen
from truing.models.entry import untrained_below
from truing.models.frozen import entry_states, reference_states
from truing.models.load import add_adapter, freeze_below
from truing.models.reference import AdapterOff
from truing.models.scoring import Scorer

FOUR = {"num_hidden_layers": 4}


def adapted(tiny, targets: str = ".*layers[.](2|3)[.].*_proj", family: str = "llama", **changes) -> Scorer:
    """A scorer of packed rows whose adapter has already moved."""
    lora = Lora(r=4, targets=targets)
    model = add_adapter(tiny(family, **FOUR, **changes), lora, dropout=False, seed=0, trained=torch.float32)
    torch.manual_seed(1)
    for name, parameter in model.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(parameter, std=0.1)
    return Scorer(model, layout="trees")


def gradients(scorer: Scorer, batch) -> list[torch.Tensor]:
    moved = [parameter for parameter in scorer.parameters() if parameter.requires_grad]
    return list(torch.autograd.grad(scorer(batch).logps.sum(), moved))


def test_the_lowest_layer_that_trains_is_found(tiny):
    assert untrained_below(adapted(tiny).inner) == 2
    assert untrained_below(adapted(tiny, ".*layers[.](1|3)[.].*_proj").inner) == 1
    assert untrained_below(adapted(tiny, ".*q_proj").inner) == 0
    model = tiny(**FOUR)
    assert untrained_below(model) == 0
    freeze_below(model, 1)
    assert untrained_below(model) == 3
    assert untrained_below(tiny("gpt2")) == 0  # no list of `layers`


@pytest.mark.parametrize("root", [0, 40])
def test_a_pass_that_begins_above_gives_the_same_numbers_and_gradients(tiny, trees, root):
    trees = [replace(tree, prompt=[*([5, 7] * (root // 2)), *tree.prompt]) for tree in trees]
    scorer = adapted(tiny, max_position_embeddings=256)
    batches = [pack(trees), pack(trees[:1]), pack(trees[1:])]
    wanted = [(scorer(batch).logps, gradients(scorer, batch)) for batch in batches]
    scorer.entry = entry_states(scorer, trees, 64)
    assert scorer.entry is not None
    assert len(scorer.entry.root) >= root
    for batch, (logps, slopes) in zip(batches, wanted, strict=True):
        assert scorer.entry(batch) is not None
        torch.testing.assert_close(scorer(batch).logps, logps, atol=1e-5, rtol=1e-5)
        for mine, theirs in zip(gradients(scorer, batch), slopes, strict=True):
            torch.testing.assert_close(mine, theirs, atol=1e-4, rtol=1e-4)


def test_the_same_passes_keep_the_same_bits(tiny, trees):
    scorer = adapted(tiny)
    once, again = (entry_states(scorer, trees, 64) for _ in range(2))
    assert once is not None
    assert again is not None
    assert all(torch.equal(states, again.kept[key]) for key, states in once.kept.items())


def test_what_is_not_kept_is_computed(tiny, trees):
    scorer = adapted(tiny)
    wanted = scorer(pack(trees)).logps
    scorer.entry = entry_states(scorer, trees[:1], 64)
    assert scorer.entry is not None
    assert scorer.entry(pack(trees)) is None
    assert scorer.entry(pad(trees[:1])) is None
    assert torch.equal(scorer(pack(trees)).logps, wanted)


def test_nothing_is_kept_where_it_is_too_much_or_would_be_wrong(tiny, trees, monkeypatch):
    assert entry_states(adapted(tiny, ".*q_proj"), trees, 64) is None  # the lowest layer trains
    padded = adapted(tiny)
    padded.layout = "padded"
    assert entry_states(padded, trees, 64) is None
    # Gemma scales what it is given as embeddings once more, or has done so already, by version.
    gemma = adapted(tiny, family="gemma", head_dim=8)
    if (entry := entry_states(gemma, trees, 64)) is not None:
        wanted = gemma(pack(trees)).logps
        gemma.entry = entry
        torch.testing.assert_close(gemma(pack(trees)).logps, wanted, atol=1e-5, rtol=1e-5)
    tokens = sum(map(len, trees))
    monkeypatch.setattr(frozen, "LIMIT", tokens * 32 * 4 - 1)
    assert entry_states(adapted(tiny), trees, 64) is None


def test_the_reference_is_what_the_policy_was(tiny, trees, monkeypatch):
    scorer = adapted(tiny)
    start = AdapterOff(scorer)
    items = {10 + place: tree for place, tree in enumerate(trees)}
    kept = reference_states(scorer, items, 64, start)
    assert kept is not None
    batch = pack([items[11], items[10]], [11, 10])
    torch.testing.assert_close(kept(batch), start.states(batch), atol=1e-5, rtol=1e-5)
    assert not torch.allclose(kept(batch), scorer.states(batch), atol=1e-3)
    monkeypatch.setattr(frozen, "LIMIT", 1)
    assert reference_states(scorer, items, 64, start) is None
