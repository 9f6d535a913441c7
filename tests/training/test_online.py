"""The loop of online methods: several updates of what a step gathered, until the policy has moved enough."""

import torch

from truing.config.recipe import Optim
from truing.data.packing import pad
from truing.models.scoring import Scorer
from truing.training.loop import run_steps
from truing.training.online import Gathered, learn
from truing.training.plan import Plan
from truing.training.step import Outcome, Tally

PLAN = Plan(4, 2, 2, seed=0)
OPTIM = Optim(items_per_step=2, schedule="constant", warmup=0)


class Moves:
    """Makes responses likelier; each call says that the policy has moved by one more."""

    def __init__(self, scorer: Scorer) -> None:
        self.scorer, self.calls = scorer, 0

    def prepare(self, passes):
        return self, passes

    def count(self, batch):
        return {"token": len(batch.target)}

    def __call__(self, batch) -> Outcome:
        self.calls += 1
        losses = -self.scorer(batch).logps
        return Outcome(
            [Tally(losses, "token")], {"approx_kl": Tally(torch.full_like(losses, self.calls), "token")}
        )


def rows(tiny, pairs, target_kl: float = float("inf"), updates: int = 3) -> list[dict[str, float]]:
    scorer, found = Scorer(tiny(), layout="padded"), []

    def gather(step: int) -> Gathered:
        passes = [lambda: [pad(pairs)]] * updates
        return Gathered(Moves(scorer), passes, {"reward": float(step)}, target_kl)

    optimizer = torch.optim.SGD(scorer.parameters(), lr=0.01)
    hook = lambda step, logs: found.append(dict(logs))  # noqa: E731
    assert run_steps(PLAN, lambda step: learn(gather(step), optimizer, OPTIM), hooks=[hook]) == 4
    return found


def test_metrics_are_means_over_the_updates_of_a_step(tiny, pairs):
    found = rows(tiny, pairs)
    assert [(row["reward"], row["updates"], row["approx_kl"]) for row in found] == [
        (float(step), 3.0, 2.0) for step in range(1, 5)
    ]
    assert found[-1]["loss"] < found[0]["loss"]


def test_the_rest_is_left_out_once_the_policy_has_moved_far_enough(tiny, pairs):
    assert {row["updates"] for row in rows(tiny, pairs, target_kl=1.5)} == {2.0}


def test_a_step_with_nothing_to_learn_moves_nothing(tiny, pairs):
    found = rows(tiny, pairs, updates=0)
    assert [row["updates"] for row in found] == [0.0] * 4 and "loss" not in found[0]
