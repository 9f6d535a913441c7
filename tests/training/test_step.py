"""The step promises that cutting it into passes changes nothing, and that a failure changes nothing."""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import pytest
import torch
from torch import nn

from truing.core.errors import DivergedError
from truing.data.packing import LAYOUTS, PackedBatch, pad, split_into_passes
from truing.data.trees import Branch, Tree
from truing.methods.offline import choose
from truing.models.finite import bad_gradient
from truing.models.reference import Cached, score_all
from truing.models.scoring import Scorer
from truing.training.step import DivergedItems, Outcome, Tally, accumulate, clip_gradients, learn_step


def passes_of(trees: list[Tree], tokens_per_pass: int, layout: str) -> list[PackedBatch]:
    groups = split_into_passes(trees, tokens_per_pass, layout)
    return [LAYOUTS[layout]([trees[i] for i in group], group) for group in groups]


def test_updated_weights_do_not_depend_on_how_the_step_is_cut(tiny, pairs):
    """That gradients do not, for every method, is in tests/laws/test_offline_methods.py."""
    reference = Cached(score_all(Scorer(tiny(seed=9)), pairs, 1000))

    def after(tokens_per_pass: int, layout: str) -> tuple[nn.Module, int]:
        scorer = Scorer(tiny(), layout=layout)
        optimizer = torch.optim.SGD(scorer.parameters(), lr=0.1)
        passes = passes_of(pairs, tokens_per_pass, layout)
        learn_step(optimizer, passes, choose("dpo", None, {}).objective(scorer, reference))
        return scorer.model, len(passes)

    whole, count = after(10_000, "padded")
    assert count == 1
    assert not torch.equal(whole.lm_head.weight, tiny().lm_head.weight), "the step moved something"
    for layout in LAYOUTS:
        pieces, count = after(1, layout)
        assert count == len(pairs)
        for (name, mine), theirs in zip(pieces.named_parameters(), whole.parameters(), strict=True):
            torch.testing.assert_close(mine, theirs, atol=1e-5, rtol=1e-4, msg=f"{name} {layout}")


def test_training_on_pairs_starts_at_log_two_and_learns(tiny, pairs):
    scorer = Scorer(tiny())
    reference = Cached(score_all(scorer, pairs, 1000))
    objective = choose("dpo", None, {"beta": 0.5}).objective(scorer, reference)
    optimizer = torch.optim.Adam(scorer.parameters(), lr=0.003)
    losses = [learn_step(optimizer, passes_of(pairs, 30, "trees"), objective)["loss"] for _ in range(20)]
    assert losses[0] == pytest.approx(math.log(2), abs=1e-6)
    assert losses[-1] < 0.3


# The arithmetic, on objectives that need no model


@dataclass
class Weighted:
    """The loss of every target is `weight` times its token, so that means can be worked out by eye."""

    scorer: nn.Linear
    diverge_at: int | None = None

    def prepare(self, passes: Sequence[PackedBatch]) -> tuple["Weighted", Sequence[PackedBatch]]:
        return self, passes

    def count(self, batch: PackedBatch) -> Counter:
        return Counter({"token": len(batch.target), "response": batch.branches})

    def __call__(self, batch: PackedBatch) -> Outcome:
        values = batch.target.float() * self.scorer.weight.squeeze()
        if self.diverge_at in batch.items:
            values = values.abs() / 0.0
        metrics = {
            "tokens": Tally(batch.target.float(), "token"),
            "sums": Tally(batch.sums(values), "response"),
        }
        return Outcome([Tally(values, "token")], metrics)


def one() -> nn.Linear:
    layer = nn.Linear(1, 1, bias=False)
    nn.init.ones_(layer.weight)
    return layer


def chain(tokens: list[int]) -> Tree:
    return Tree([1], (Branch(tokens, [True] * len(tokens)),))


# Targets 2, 4, 6 in one pass and 8 in another.
PASSES = [pad([chain([2, 4]), chain([6])], [0, 1]), pad([chain([8])], [2])]


def test_means_are_over_the_units_of_the_whole_step():
    model = one()
    logs = accumulate(PASSES, Weighted(model))
    # Four tokens sum to 20; three responses do too. A mean of the passes' means would be (4 + 8) / 2 = 6.
    assert logs == pytest.approx({"loss": 20 / 4, "tokens": 20 / 4, "sums": 20 / 3})
    assert model.weight.grad.item() == 20 / 4


def test_without_backward_no_gradient_is_left():
    model = one()
    assert accumulate(PASSES, Weighted(model), backward=False)["loss"] == 5.0
    assert model.weight.grad is None


def test_losses_add_up():
    @dataclass
    class Two(Weighted):
        def __call__(self, batch: PackedBatch) -> Outcome:
            (first,), metrics = super().__call__(batch)
            return Outcome([first, Tally(batch.sums(first.values), "response")], metrics)

    assert accumulate(PASSES, Two(one()))["loss"] == pytest.approx(20 / 4 + 20 / 3)


@pytest.mark.parametrize(("limit", "moved"), [(None, 5.0), (1.0, 1.0), (100.0, 5.0)])
def test_the_gradient_is_clipped_and_its_norm_told_as_it_was(limit: float | None, moved: float):
    model = one()
    logs = learn_step(
        torch.optim.SGD(model.parameters(), lr=1.0), PASSES, Weighted(model), max_grad_norm=limit
    )
    assert logs["grad_norm"] == 5.0
    assert model.weight.item() == pytest.approx(1.0 - moved, abs=1e-5)


def test_gradients_of_the_step_before_are_gone():
    model = one()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.0)
    norms = [learn_step(optimizer, PASSES, Weighted(model))["grad_norm"] for _ in range(3)]
    assert norms == [5.0, 5.0, 5.0]


def test_n1_a_loss_that_is_not_finite_stops_before_anything_changes():
    model = one()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1.0)
    learn_step(optimizer, PASSES, Weighted(model))
    weight, moments = model.weight.clone(), {k: v.clone() for k, v in optimizer.state[model.weight].items()}
    with pytest.raises(DivergedError, match=r"loss is inf \(rows 2\)") as caught:
        learn_step(optimizer, PASSES, Weighted(model, diverge_at=2))
    assert caught.value.exit_code == 4
    assert torch.equal(model.weight, weight)
    assert all(torch.equal(optimizer.state[model.weight][k], v) for k, v in moments.items())


def test_n1_a_gradient_that_is_not_finite_stops_before_anything_changes():
    class Cliff(Weighted):
        def __call__(self, batch: PackedBatch) -> Outcome:
            # The square root of zero is finite, its slope is not.
            return Outcome([Tally((self.scorer.weight - 1).abs().sqrt(), "token")], {})

    model = one()
    with pytest.raises(DivergedError, match=r"grad_norm is (nan|inf) \(rows 0, 1, 2\)"):
        learn_step(torch.optim.SGD(model.parameters(), lr=1.0), PASSES, Cliff(model))
    assert model.weight.item() == 1.0


def test_of_many_rows_the_first_eight_are_named():
    batch = pad([chain([2])] * 9, range(9))
    with pytest.raises(DivergedError, match=r"rows 0, 1, 2, 3, 4, 5, 6, 7 …\)"):
        accumulate([batch], Weighted(one(), diverge_at=4))


def test_a_row_in_passes_of_two_roles_is_named_once():
    batch = pad([chain([2]), chain([4])], [6, 5])
    with pytest.raises(DivergedItems) as caught:
        model = one()
        model.weight.register_hook(lambda grad: grad / 0)
        learn_step(torch.optim.SGD(model.parameters(), lr=1.0), [batch, batch], Weighted(model))
    assert caught.value.items == [5, 6]


def test_a_metric_of_nothing_is_left_out():
    class Some(Weighted):
        def __call__(self, batch: PackedBatch) -> Outcome:
            losses, metrics = super().__call__(batch)
            return Outcome(losses, {**metrics, "of nothing": Tally(torch.zeros(0), "undesirable")})

    assert set(accumulate(PASSES, Some(one()))) == {"loss", "tokens", "sums"}


def test_who_knows_the_places_of_rows_says_them_instead_of_their_numbers():
    with pytest.raises(DivergedItems) as caught:
        accumulate(PASSES, Weighted(one(), diverge_at=1))
    told = caught.value.at(["a.jsonl:3", "b.jsonl:1", "b.jsonl:2"])
    assert str(told) == "loss is inf (rows a.jsonl:3, b.jsonl:1)"
    assert told.hint == caught.value.hint
    later = told.at_step(7).at(["other"] * 3)
    assert str(later) == "loss is inf (rows a.jsonl:3, b.jsonl:1) at step 7", "named once, named for good"


def test_a_held_out_loss_that_is_not_finite_is_told_as_one():
    with pytest.raises(DivergedItems, match="evaluation loss is inf") as caught:
        accumulate(PASSES, Weighted(one(), diverge_at=2), backward=False)
    assert caught.value.items == [2]


def test_n1_a_parameter_that_is_not_finite_stops_the_step(tiny, pairs):
    scorer = Scorer(tiny())
    with torch.no_grad():
        scorer.model.model.layers[0].mlp.up_proj.weight[3, 3] = math.nan
    optimizer = torch.optim.SGD(scorer.parameters(), lr=0.1)
    before = scorer.model.lm_head.weight.clone()
    with pytest.raises(DivergedError, match=r"loss is nan .* first in the parameter .*0\.mlp\.up_proj"):
        learn_step(optimizer, passes_of(pairs, 40, "trees"), choose("sft", None, {}).objective(scorer, None))
    assert torch.equal(scorer.model.lm_head.weight, before)


def test_n1_a_reference_that_is_not_finite_stops_the_step(tiny, pairs):
    scorer = Scorer(tiny())
    logps = score_all(scorer, pairs, 1000)
    logps[3][0] = math.inf
    objective = choose("dpo", None, {}).objective(scorer, Cached(logps))
    with pytest.raises(DivergedError):
        learn_step(torch.optim.SGD(scorer.parameters(), lr=0.1), passes_of(pairs, 40, "trees"), objective)


def test_the_module_that_makes_the_first_bad_number_is_named(tiny, pairs):
    """Weights of 1e38 are finite, and what the layer makes of them is not."""
    scorer = Scorer(tiny(), layout="padded")
    with torch.no_grad():
        scorer.model.model.layers[1].mlp.down_proj.weight.fill_(1e38)
    with pytest.raises(DivergedItems, match=r"first in the output of .*layers\.1\.mlp\.down_proj"):
        objective = choose("sft", None, {}).objective(scorer, None)
        accumulate(passes_of(pairs, 1000, "padded"), objective)


def test_a_gradient_that_is_not_finite_names_its_parameter_and_stays_unclipped():
    model = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 1))
    model[1].bias.register_hook(lambda grad: grad * math.inf)
    optimizer = torch.optim.SGD(model.parameters(), lr=1.0)
    model(torch.ones(1, 2)).sum().backward()
    before = model[0].weight.grad.clone()
    assert clip_gradients(optimizer, 1.0)["grad_norm"] == math.inf
    assert torch.equal(model[0].weight.grad, before)
    assert bad_gradient(model) == "the gradient of 1.bias"


def test_clipping_is_that_of_torch():
    norms, gradients = [], []
    for clip in (clip_gradients, lambda optimizer, most: {"grad_norm": float(whole_clip(optimizer, most))}):
        model = nn.Linear(5, 3, bias=False)
        nn.init.constant_(model.weight, 0.3)
        optimizer = torch.optim.SGD(model.parameters(), lr=1.0)
        model(torch.arange(5.0)).square().sum().backward()
        norms.append(clip(optimizer, 0.5)["grad_norm"])
        gradients.append(model.weight.grad)
    assert norms[0] == norms[1] > 0.5
    assert torch.equal(*gradients)


def whole_clip(optimizer: torch.optim.Optimizer, most: float) -> torch.Tensor:
    return nn.utils.clip_grad_norm_(optimizer.param_groups[0]["params"], most)
