"""The work of every loop on a step: its seed, its rate, its hooks, and where it ends."""

import pytest
import torch

from truing.config.recipe import Optim
from truing.core.errors import DivergedError
from truing.training.hooks import EarlyStop
from truing.training.loop import run_steps, take_step
from truing.training.plan import Plan
from truing.training.step import DivergedItems

PLAN = Plan(6, 2, 2, seed=3)


def steps(learn, start: int = 0, hooks=()) -> int:
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.0)
    optim = Optim(items_per_step=2, schedule="constant", warmup=0)
    take = lambda step: take_step(PLAN, learn, optimizer, optim, step, peak=0.5)  # noqa: E731
    return run_steps(PLAN, take, start=start, hooks=hooks)


def test_a_step_draws_the_same_wherever_the_run_began():
    drawn: dict[int, list[float]] = {}

    def learn(step: int) -> dict[str, float]:
        drawn.setdefault(step, []).append(float(torch.rand(())))
        return {}

    assert steps(learn) == steps(learn, start=3) == PLAN.total == 6
    assert all(len(set(values)) == 1 for values in drawn.values())
    assert len({values[0] for values in drawn.values()}) == 6
    assert [len(drawn[step]) for step in range(1, 7)] == [1, 1, 1, 2, 2, 2]


def test_hooks_see_the_metrics_and_may_end_the_run():
    seen: list[tuple[int, dict[str, float]]] = []

    def hook(step: int, logs: dict[str, float]) -> None:
        seen.append((step, dict(logs)))
        if step == 2:
            raise EarlyStop

    assert steps(lambda step: {"loss": float(step)}, hooks=[hook]) == 2
    assert [logs for _, logs in seen] == [
        {"epoch": 0.3333, "learning_rate": 0.5, "loss": 1.0},
        {"epoch": 0.6667, "learning_rate": 0.5, "loss": 2.0},
    ]


def test_a_number_that_is_not_finite_is_told_with_its_step():
    def learn(step: int) -> dict[str, float]:
        if step == 2:
            raise DivergedItems("the loss is nan", items=[0])
        return {}

    with pytest.raises(DivergedError, match="step 2"):
        steps(learn)
