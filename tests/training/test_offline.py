"""Stopping and going on is the unbroken run, bit for bit, with everything random switched on."""

from pathlib import Path

import pytest
import torch

from truing.config.recipe import Lora, Optim
from truing.data.packing import LAYOUTS, PackedBatch, split_into_passes
from truing.data.trees import Tree
from truing.kernels.fused import fuse
from truing.methods.offline import choose
from truing.models import checkpoint
from truing.models.load import add_adapter, silence_dropout, trainable
from truing.models.reference import AdapterOff
from truing.models.scoring import Scorer
from truing.training.hooks import EarlyStop, Logs
from truing.training.loop import run_steps, take_step
from truing.training.offline import evaluate, learn
from truing.training.optim import TrainedPart, make_optimizer
from truing.training.plan import Plan

OPTIM = Optim(learning_rate=0.01, schedule="cosine", warmup=2, weight_decay=0.1)


class Run:
    """A small LoRA run that can be stopped, saved and taken up again."""

    def __init__(
        self, tiny, trees: list[Tree], *, method: str = "sft", dropout: float = 0.2, **changes: object
    ):
        keep = choose(method, None, {}).method.dropout
        model = add_adapter(tiny(), Lora(r=4, dropout=dropout), dropout=keep, seed=3, trained=torch.float32)
        fuse(model)
        model.train()
        silence_dropout(model, keep_adapter=keep)
        self.trees, self.scorer = trees, Scorer(model, layout="trees")
        chosen = choose(method, None, {})
        reference = AdapterOff(self.scorer) if chosen.needs_reference else None
        self.objective = chosen.objective(self.scorer, reference)
        self.names = trainable(model)
        self.optimizer = make_optimizer([TrainedPart("", self.names, 0.01)], OPTIM)
        self.plan = Plan(len(trees), items_per_step=4, epochs=4, seed=5)
        self.logs: list[Logs] = []

    def passes(self, items: list[int]) -> list[PackedBatch]:
        chosen = [self.trees[i] for i in items]
        groups = split_into_passes(chosen, 25, "trees")
        return [LAYOUTS["trees"]([chosen[i] for i in g], [items[i] for i in g]) for g in groups]

    def go(self, *, start: int = 0, stop: int | None = None) -> int:
        def hook(step: int, logs: Logs) -> None:
            self.logs.append(logs)
            torch.rand(step)  # what others draw between steps must not matter
            if step == stop:
                raise EarlyStop

        def own(step: int) -> Logs:
            items = self.plan.items_of(step)
            return learn(items, self.passes, self.objective, self.optimizer, OPTIM)

        take = lambda step: take_step(self.plan, own, self.optimizer, OPTIM, step, peak=0.01)  # noqa: E731
        return run_steps(self.plan, take, start=start, hooks=[hook])

    def save(self, folder: Path, step: int) -> None:
        moments = checkpoint.optimizer_tensors(self.optimizer, self.names)
        checkpoint.save(folder, step, {"model": self.names, "optimizer": moments}, {})

    def restore(self, folder: Path) -> int:
        newest = checkpoint.newest(folder)
        assert newest is not None
        found = checkpoint.read(newest)
        checkpoint.restore_parameters(self.names, found.tensors["model"])
        checkpoint.restore_optimizer(self.optimizer, self.names, found.tensors["optimizer"])
        return found.step


@pytest.mark.parametrize("method", ["sft", "dpo"])
@pytest.mark.parametrize("stop", [1, 3])
def test_r1_a_resumed_run_is_the_unbroken_one_bit_for_bit(tiny, pairs, tmp_path, method, stop):
    unbroken = Run(tiny, pairs, method=method)
    assert unbroken.plan.total == 8
    assert len(unbroken.passes(unbroken.plan.items_of(1))) > 1, "a step of several passes"
    assert unbroken.go() == 8

    first = Run(tiny, pairs, method=method)
    assert first.go(stop=stop) == stop
    first.save(tmp_path, stop)
    torch.manual_seed(12345)
    second = Run(tiny, pairs, method=method)
    assert second.go(start=second.restore(tmp_path)) == 8

    assert first.logs + second.logs == unbroken.logs
    for name, parameter in unbroken.names.items():
        assert torch.equal(second.names[name], parameter), name
        for moment, value in unbroken.optimizer.state[parameter].items():
            assert torch.equal(second.optimizer.state[second.names[name]][moment], value), (name, moment)


def test_dropout_acts_and_the_seed_decides_it(tiny, pairs):
    noisy, again, still = (Run(tiny, pairs, dropout=rate) for rate in (0.2, 0.2, 0.0))
    for run in (noisy, again, still):
        run.go(stop=3)
    assert noisy.logs == again.logs
    assert noisy.logs[-1]["loss"] != still.logs[-1]["loss"]


def test_every_step_logs_where_it_is_and_its_rate(tiny, pairs):
    run = Run(tiny, pairs)
    run.go()
    assert [row["epoch"] for row in run.logs] == [0.5, 1.0, 1.5, 2.0, 2.5, 3.0, 3.5, 4.0]
    # Two steps of warm-up to the peak of 0.01 at the third.
    assert [row["learning_rate"] for row in run.logs[:3]] == pytest.approx([0.01 / 3, 0.02 / 3, 0.01])
    assert run.logs[-1]["loss"] < run.logs[0]["loss"]


def test_a_run_that_is_done_takes_no_step(tiny, pairs):
    run = Run(tiny, pairs)
    assert run.go(start=8) == 8
    assert run.logs == []


def test_evaluation_has_no_dropout_and_leaves_the_run_alone(tiny, pairs):
    run = Run(tiny, pairs)
    run.go(stop=2)
    passes = run.passes([0, 1, 2])
    run.scorer.model.get_base_model().lm_head.eval()  # one module in another mode than the rest
    modes = [module.training for module in run.scorer.modules()]
    first, second = evaluate(passes, run.objective), evaluate(passes, run.objective)
    assert first == second, "dropout would differ from one to the next"
    assert modes == [module.training for module in run.scorer.modules()]
    run.scorer.eval()
    with torch.no_grad():
        logps = torch.cat([run.scorer(batch).logps for batch in passes])
    assert first["loss"] == pytest.approx(-logps.mean().item(), rel=1e-5)
