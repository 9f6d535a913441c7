"""Laws of every loss that reads a probability per row, whatever its formula.

A loss is covered by taking the argument `probability`.
"""

import math

import pytest
import torch

from truing.losses.preference import PAIR_LOSSES, Pair
from truing.losses.reference_free import REFERENCE_FREE_LOSSES
from truing.losses.reward import REWARD_PAIR_LOSSES
from truing.methods.offline import COUPLED
from truing.objectives.binding import needs, pick

EVERY = {**PAIR_LOSSES, **REFERENCE_FREE_LOSSES, **REWARD_PAIR_LOSSES}
SOFT = {name: loss for name, loss in EVERY.items() if needs(loss, "probability")}
EVERY_SOFT_LOSS = pytest.mark.parametrize("name", SOFT)
GIVEN = {
    "policy": ([-1.0, -7.0, -3.0], [-2.0, -4.0, -9.0]),
    "ref": ([-2.0, -5.0, -3.5], [-2.5, -7.5, -2.5]),
    "lengths": ([4.0, 2.0, 7.0], [6.0, 3.0, 5.0]),
    "weights": ([-0.1, -0.5, -0.7], [-0.2, -0.4, -0.3]),
    "scores": ([1.0, -2.0, 0.5], [0.3, 1.0, 0.5]),
}
HYPER = {"beta": 0.3, "label_smoothing": 0.1, "gamma": 0.7, "center": 0.01}


def apply(name, *, swapped=False, hyper=False, **others):
    sides = {key: [torch.tensor(side, requires_grad=True) for side in two] for key, two in GIVEN.items()}
    given = {key: Pair(*(two[::-1] if swapped else two)) for key, two in sides.items()}
    loss = SOFT[name]
    options = {key: value for key, value in HYPER.items() if hyper and key in loss.__kwdefaults__}
    losses = loss(**pick(loss, {**given, **others}), **options)
    trained = sides["scores" if needs(loss, "scores") else "policy"]
    return losses, torch.autograd.grad(losses.sum(), trained)


def test_the_losses_that_read_a_probability_are_these():
    logistic = {"dpo", "dpo_positive", "robust", "sigmoid_norm", "wpo", "cpo", "simpo", "alphapo", "orpo"}
    assert set(SOFT) == logistic | {"ipo", "ipo_sum", "cpo_ipo", "sppo_hard", "bradley_terry"}
    assert not set(SOFT) & set(COUPLED), "a rank or a mean over pairs has no label of its own"


@EVERY_SOFT_LOSS
@pytest.mark.parametrize("hyper", [False, True])
def test_a_certain_label_gives_the_numbers_without_one_bit_for_bit(name, hyper):
    plain, gradients = apply(name, hyper=hyper)
    certain, others = apply(name, hyper=hyper, probability=torch.ones(3))
    assert torch.equal(plain, certain)
    assert all(map(torch.equal, gradients, others))


@EVERY_SOFT_LOSS
@pytest.mark.parametrize("hyper", [False, True])
def test_swapped_sides_and_the_other_probability_are_the_same_row(name, hyper):
    p = torch.tensor([0.9, 0.25, 0.5])
    losses, gradients = apply(name, hyper=hyper, probability=p)
    swapped, others = apply(name, hyper=hyper, swapped=True, probability=1 - p)
    torch.testing.assert_close(swapped, losses)
    torch.testing.assert_close(others, gradients)


@EVERY_SOFT_LOSS
def test_the_loss_is_that_of_the_label_and_of_its_opposite_weighted(name):
    """3 rows of 4 labelled as given and 1 the other way round teach what p = ¾ does."""
    label, opposite = apply(name)[0], apply(name, swapped=True)[0]
    soft = apply(name, probability=torch.full((3,), 0.75))[0]
    torch.testing.assert_close(soft, 0.75 * label + 0.25 * opposite)


@EVERY_SOFT_LOSS
def test_an_even_label_on_an_even_pair_teaches_nothing(name):
    even = torch.tensor([-3.0, -8.0])
    sides = Pair(even.clone().requires_grad_(), even.clone().requires_grad_())
    lengths, half = Pair(torch.tensor([4.0, 5.0]), torch.tensor([4.0, 5.0])), torch.full((2,), 0.5)
    # The penalty of dpo_positive has a kink where a response stands at the reference.
    ref = even - 1 if name == "dpo_positive" else even
    given = {"policy": sides, "scores": sides, "lengths": lengths, "weights": lengths, "probability": half}
    losses = SOFT[name](**pick(SOFT[name], {**given, "ref": Pair(ref, ref)}))
    gradients = torch.autograd.grad(losses.sum(), sides)
    assert [gradient.tolist() for gradient in gradients] == [[0.0, 0.0], [0.0, 0.0]]


@pytest.mark.parametrize("name", sorted({"dpo", "cpo", "orpo", "sigmoid_norm", "wpo", "bradley_terry"}))
def test_a_logistic_loss_is_least_where_the_model_gives_the_pair_its_probability(name):
    """σ(β·gap) = p at gap = log(p/(1 - p))/β; the derivative there is 0."""
    p = 0.8
    beta = SOFT[name].__kwdefaults__.get("beta", 1.0)
    gap = math.log(p / (1 - p)) / beta
    chosen, rejected = torch.tensor([-5.0 + gap], requires_grad=True), torch.tensor([-5.0])
    zero, one = Pair(torch.zeros(1), torch.zeros(1)), Pair(torch.ones(1), torch.ones(1))
    sides = Pair(chosen, rejected)
    given = {"policy": sides, "scores": sides, "ref": zero, "lengths": one, "weights": zero}
    if name == "orpo":  # log odds of the mean log-probabilities; beta is a weight, not a scale
        chosen = torch.tensor([math.log(p)], requires_grad=True)
        given["policy"] = Pair(chosen, torch.tensor([math.log(0.5)]))
    losses = SOFT[name](**pick(SOFT[name], {**given, "probability": torch.tensor([p])}))
    (gradient,) = torch.autograd.grad(losses.sum(), chosen)
    assert gradient.item() == pytest.approx(0, abs=1e-5)
