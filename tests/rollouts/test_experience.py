"""The prompts of a step shared out among its updates."""

from truing.rollouts.experience import cut


def test_every_mini_batch_of_an_epoch_holds_other_prompts():
    cuts = cut([7, 3, 9, 4, 1], epochs=2, mini_batches=2, seed=0, step=5)
    assert [len(part) for part in cuts] == [3, 2, 3, 2]
    assert sorted(cuts[0] + cuts[1]) == sorted(cuts[2] + cuts[3]) == [1, 3, 4, 7, 9]
    assert cuts != cut([7, 3, 9, 4, 1], epochs=2, mini_batches=2, seed=0, step=6)
