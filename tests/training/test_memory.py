"""Training goes on where memory runs out: the same loss and gradient, from smaller passes."""

from collections.abc import Iterator

import pytest
import torch
from torch import Tensor

from truing.config.recipe import Optim
from truing.core.errors import MemoryShortError
from truing.data.packing import PackedBatch
from truing.models.scoring import Scorer, Trunk
from truing.models.world import World
from truing.training.hooks import Logs
from truing.training.loop import run_steps
from truing.training.offline import evaluate, learn
from truing.training.plan import Plan
from truing.training.step import smaller

from ..two_ranks import Two

ALL = 10_000


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, int]]:
    """Memory holds `tokens` forward, and `backward` on the way back, where a gradient is half there."""
    limits, states = {"tokens": ALL, "backward": ALL}, Trunk._states

    class Fails(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x: Tensor, tokens: int) -> Tensor:
            ctx.tokens = tokens
            return x.clone()

        @staticmethod
        def backward(ctx, grad: Tensor):
            if ctx.tokens > limits["backward"]:
                raise torch.OutOfMemoryError("CUDA out of memory")
            return grad, None

    def limited(self: Trunk, batch: PackedBatch) -> Tensor:
        if batch.tokens.numel() > limits["tokens"]:
            raise torch.OutOfMemoryError("CUDA out of memory")
        embedding = self.inner.get_input_embeddings()
        hook = embedding.register_forward_hook(lambda _, __, out: Fails.apply(out, batch.tokens.numel()))
        try:
            return states(self, batch)
        finally:
            hook.remove()

    monkeypatch.setattr(Trunk, "_states", limited)
    yield limits


def learnt(
    session_of, tiny, pairs, method: str, layout: str, loss=None
) -> tuple[list[float], list[Tensor], int]:
    """The losses of three steps over all pairs, the weights after them, and the size of the last passes."""
    scorer = Scorer(tiny(), layout=layout)
    trees = pairs
    if method == "kto":
        trees = [type(tree)(tree.prompt, tree.branches[:1], (float(i % 2),)) for i, tree in enumerate(pairs)]
    reference = None
    if method in ("dpo", "kto"):
        start = Scorer(tiny(seed=1), layout=layout)
        reference = lambda batch: start(batch).logps.detach()  # noqa: E731
    session = session_of(scorer, trees, method, loss=loss, reference=reference, tokens_per_pass=ALL)
    seen: list[float] = []
    plan = Plan(len(trees), len(trees), 3, seed=0)
    optimizer = torch.optim.SGD(scorer.parameters(), lr=0.01)
    config = Optim(max_grad_norm=None)

    def take(step: int) -> Logs:
        items = plan.items_of(step)
        return learn(items, session.passes, session.objective, optimizer, config, scorer.room)

    run_steps(plan, take, hooks=[lambda step, logs: seen.append(logs["loss"])])
    widest = max(batch.tokens.numel() for batch in session.passes(range(len(trees))))
    return seen, [p.detach().clone() for p in scorer.parameters()], widest


@pytest.mark.parametrize("layout", ["trees", "padded"])
@pytest.mark.parametrize(
    ("method", "loss"), [("sft", None), ("dpo", None), ("dpo", "aot"), ("kto", None)], ids=str
)
@pytest.mark.parametrize("where", ["tokens", "backward"])
def test_losses_and_weights_are_those_of_large_passes(
    session_of, tiny, pairs, short, method, loss, layout, where
):
    wanted, weights, _ = learnt(session_of, tiny, pairs, method, layout, loss)
    short[where] = 60
    found, moved, widest = learnt(session_of, tiny, pairs, method, layout, loss)
    assert found == pytest.approx(wanted, rel=1e-6, abs=1e-6)
    assert all(torch.allclose(one, other, atol=1e-5) for one, other in zip(moved, weights, strict=True))
    assert widest <= 60, "later steps begin with what fits"


def test_a_row_that_does_not_fit_alone_ends_the_step_before_anything_has_moved(
    session_of, tiny, pairs, short
):
    short["backward"] = 5
    scorer = Scorer(tiny(), layout="trees")
    session = session_of(scorer, pairs, "sft", tokens_per_pass=ALL)
    session.places = [f"rows.jsonl:{i}" for i in range(len(pairs))]
    before = [p.detach().clone() for p in scorer.parameters()]
    optimizer = torch.optim.SGD(scorer.parameters(), lr=0.1)
    with (
        pytest.raises(MemoryShortError, match=r"a pass of \d+ tokens \(row rows.jsonl:\d\)"),
        session.rows_named(),
    ):
        session.learn(optimizer, 1)
    assert all(map(torch.equal, scorer.parameters(), before))


def test_an_evaluation_is_that_of_one_pass(session_of, tiny, pairs, short):
    scorer = Scorer(tiny(), layout="trees")
    session = session_of(scorer, pairs, "sft", tokens_per_pass=ALL)
    passes = session.passes(range(len(pairs)))
    wanted = evaluate(passes, session.objective)
    short["tokens"] = 60
    again = smaller(scorer.room, lambda: session.passes(range(len(pairs))))
    assert evaluate(passes, session.objective, again) == pytest.approx(wanted, rel=1e-6)
    short["tokens"] = 3
    with pytest.raises(MemoryShortError, match="of those held out"):
        evaluate(passes, session.objective, again)


@pytest.mark.parametrize("where", ["tokens", "backward"])
def test_memory_that_runs_out_on_one_of_two_ranks_starts_the_step_over_on_both(
    two: Two, session_of, tiny, pairs, short, where
):
    wanted, *_ = learnt(session_of, tiny, pairs, "dpo", "trees")

    def work(here: World) -> object:
        short.update({where: 40} if here.rank == 1 else {})
        found, _, widest = learnt(session_of, tiny, pairs, "dpo", "trees")
        return found, widest

    for found, widest in two(work):
        assert found == pytest.approx(wanted, rel=1e-5) and widest <= 60
