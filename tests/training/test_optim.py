import math

import pytest
import torch
from torch import nn

from truing.config.recipe import Optim
from truing.training.optim import TrainedPart, learning_rate_at, make_optimizer, set_learning_rate
from truing.training.step import clip_gradients

from ..tables import each


def rates(total: int, **config: object) -> list[float]:
    return [learning_rate_at(step, total, Optim(**config), peak=12.0) for step in range(1, total + 1)]


def test_linear_by_hand():
    # Two steps of warm-up climb in thirds of the peak; the other four go down in quarters.
    assert rates(6, schedule="linear", warmup=2) == pytest.approx([4, 8, 12, 9, 6, 3])


def test_cosine_by_hand():
    # Half a cosine over four steps: cos 0, cos 45°, cos 90°, cos 135°.
    half = math.sqrt(0.5)
    expected = [12, 6 * (1 + half), 6, 6 * (1 - half)]
    assert rates(4, schedule="cosine", warmup=0) == pytest.approx(expected)


def test_constant_by_hand():
    assert rates(4, schedule="constant", warmup=1) == pytest.approx([6, 12, 12, 12])


def test_warm_up_as_a_share_of_the_steps():
    # 0.3 of 5 steps is 1.5, rounded up to 2.
    assert rates(5, schedule="constant", warmup=0.3) == pytest.approx([4, 8, 12, 12, 12])
    assert rates(5, schedule="constant", warmup=0.3) == rates(5, schedule="constant", warmup=2)


@each("schedule", ["constant", "linear", "cosine"])
@each("warmup", [0, 0.1, 1, 50])
def test_a_run_of_one_step_takes_it_at_the_peak(schedule: str, warmup: float):
    assert rates(1, schedule=schedule, warmup=warmup) == [12.0]


@each("schedule", ["constant", "linear", "cosine"])
@each("warmup", [0, 0.03, 0.5, 7, 20, 50])
def test_every_step_learns_and_the_peak_is_reached(schedule: str, warmup: float):
    found = rates(20, schedule=schedule, warmup=warmup)
    assert min(found) > 0
    assert max(found) == pytest.approx(12.0)


def test_matrices_decay_and_vectors_do_not():
    model = nn.Sequential(nn.Linear(2, 3), nn.LayerNorm(3))
    config = Optim(weight_decay=0.5, betas=(0.8, 0.9), eps=1e-5)
    optimizer = make_optimizer([TrainedPart("", dict(model.named_parameters()), 0.1)], config)
    decayed, kept = optimizer.param_groups
    assert decayed["params"] == [model[0].weight]
    assert kept["params"] == [model[0].bias, model[1].weight, model[1].bias]
    assert (decayed["weight_decay"], kept["weight_decay"]) == (0.5, 0.0)
    assert all((g["lr"], g["betas"], g["eps"]) == (0.1, (0.8, 0.9), 1e-5) for g in (decayed, kept))


def test_one_step_of_adamw_by_hand():
    weight = nn.Parameter(torch.tensor([[2.0]]))
    optimizer = make_optimizer([TrainedPart("", {"w": weight}, 123.0)], Optim(weight_decay=0.5))
    set_learning_rate(optimizer, 0.1)
    weight.grad = torch.tensor([[-7.0]])
    optimizer.step()
    # Decay takes 0.1 * 0.5 of the weight; the first step of Adam is the rate, against the gradient's sign.
    assert weight.item() == pytest.approx(2.0 * (1 - 0.05) + 0.1, abs=1e-6)


def test_parts_keep_their_share_of_the_rate_and_are_clipped_apart():
    policy, critic = (nn.Parameter(torch.tensor([[1.0]])) for _ in range(2))
    optimizer = make_optimizer(
        [TrainedPart("", {"w": policy}, 0.1), TrainedPart("critic", {"v": critic}, 0.4)], Optim()
    )
    set_learning_rate(optimizer, 0.05)
    assert [group["lr"] for group in optimizer.param_groups] == pytest.approx([0.05, 0.2])
    policy.grad, critic.grad = torch.tensor([[3.0]]), torch.tensor([[0.5]])
    assert clip_gradients(optimizer, 1.0) == pytest.approx({"grad_norm": 3.0, "grad_norm/critic": 0.5})
    assert [policy.grad.item(), critic.grad.item()] == pytest.approx([1.0, 0.5], abs=1e-5)
