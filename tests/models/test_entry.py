"""Passes that begin at the first trained layer, from states that were kept."""

import torch

from truing.data.packing import pack
from truing.data.trees import Tree
from truing.models.entry import Entry, entering_norm, key_of, only, path_of, untrained_below


def freeze(model, layers: int) -> None:
    model.requires_grad_(False)
    for layer in model.base_model.layers[layers:]:
        layer.requires_grad_(True)


def test_only_layers_below_the_first_trained_one_count(tiny):
    model = tiny()
    assert untrained_below(model) == 0
    freeze(model, 1)
    assert untrained_below(model) == 1
    freeze(model, 2)
    assert untrained_below(model) == 2, "the head alone trains, or nothing"
    model.get_input_embeddings().requires_grad_(True)
    assert untrained_below(model) == 0
    assert untrained_below(tiny("gpt2").requires_grad_(False)) == 0, "another trunk"


def test_a_part_of_the_layers_runs_and_all_are_there_again(tiny):
    model, ids = tiny(), torch.tensor([[5, 6, 7]])
    with torch.no_grad():
        whole, found = model.base_model(input_ids=ids).last_hidden_state, []
        with entering_norm(model, found), only(model, slice(0, 1)):
            model.base_model(input_ids=ids)
        with only(model, slice(1, None)):
            again = model.base_model(inputs_embeds=found[0]).last_hidden_state
    torch.testing.assert_close(again, whole)
    assert len(model.base_model.layers) == 2 and len(found) == 1


def test_a_tree_is_known_by_its_tokens_and_its_cuts(trees):
    assert len({key_of(tree) for tree in trees}) == len(trees)
    one = trees[1]
    assert key_of(one) == key_of(Tree(list(one.prompt), one.branches))
    assert key_of(one) != key_of(Tree([*one.prompt, 9], one.branches))


def test_kept_states_are_laid_out_as_the_row_is(trees):
    batch = pack(trees)
    length = batch.tokens.shape[1]
    states = torch.randn(length, 4)
    spans = batch.spans or ()
    kept = {key_of(tree): states[path_of(span)] for tree, span in zip(trees, spans, strict=True)}
    found = Entry(1, states[:0], kept)(batch)
    assert found is not None
    torch.testing.assert_close(found, states)
    kept.pop(key_of(trees[0]))
    assert Entry(1, states[:0], kept)(batch) is None
