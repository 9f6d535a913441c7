"""KTO's baseline and what is counted, on sessions around a tiny model, and by hand."""

import pytest
import torch
from torch import Tensor

from truing.data.packing import PackedBatch, pad
from truing.data.trees import Branch, Tree
from truing.methods.offline import choose
from truing.models.room import Room
from truing.models.scoring import Scorer, Scores
from truing.runs.passes import crossed, mismatched
from truing.training.step import accumulate


def single(prompt: list[int], tokens: list[int], good: bool) -> Tree:
    return Tree(prompt, (Branch(tokens, [True] * len(tokens)),), (float(good),))


TREES = {
    5: single([1], [11, 12], True),
    2: single([2], [21], False),
    9: single([3], [31, 32, 33], True),
}


def test_a_prompt_meets_the_response_of_the_row_before_it():
    found = mismatched(TREES, 100)
    assert {i: (tree.prompt, tree.branches[0].tokens) for i, tree in found.items()} == {
        2: ([2], [31, 32, 33]),  # the first takes the last one's
        5: ([1], [21]),
        9: ([3], [11, 12]),
    }


def test_a_single_row_has_no_other_to_be_compared_with():
    assert mismatched({5: TREES[5]}, 100) == {}


def test_a_response_of_another_prompt_is_cut_to_what_fits():
    long = {0: single([1] * 8, [11], True), 1: single([2], [21] * 8, False)}
    found = mismatched(long, 9)
    assert [len(found[0].branches[0]), len(found[1].branches[0])] == [1, 1]
    assert max(tree.longest for tree in found.values()) == 9
    silent = {0: single([1] * 8, [11], True), 1: Tree([2], (Branch([21, 22], [False, True]),), (0.0,))}
    assert sorted(mismatched(silent, 9)) == [1], "nothing scored would be left of the response to row 0"


class Told(torch.nn.Module):
    """The log-probability of a token is a hundredth of it, less the prompt's last token, times `scale`."""

    device, autocast, room, sharded = torch.device("cpu"), None, Room(), False

    def __init__(self, scale: float) -> None:
        super().__init__()
        self.scale = torch.nn.Parameter(torch.tensor(scale))

    def forward(self, batch: PackedBatch) -> Scores:
        rows = torch.div(batch.source, batch.tokens.shape[1], rounding_mode="floor")
        prompt = batch.tokens[rows, 0]
        return Scores(self.scale * (batch.target - prompt).float() / 100)


def unlikely(batch: PackedBatch) -> Tensor:
    """A reference that gives every token e^-9, which any policy has gained on."""
    return torch.full(batch.target.shape, -9.0)


def plain(batch: PackedBatch) -> Tensor:
    return Told(1.0)(batch).logps.detach()


def passes_of(session, layout: str = "padded") -> list[PackedBatch]:
    return session.passes(range(len(session.train)))


def kto_session(session_of, scale: float, trees: list[Tree], **changes):
    scorer = Told(scale)
    scorer.layout = "padded"
    return session_of(
        scorer, trees, "kto", {"beta": 0.5, "undesirable_weight": 2.0}, reference=plain, **changes
    )


def test_kto_by_hand(session_of):
    trees = [TREES[2], TREES[5], TREES[9]]
    session = kto_session(session_of, 2.0, trees)
    logs = accumulate(passes_of(session), session.objective)
    # The policy is the reference twice, so a gap is the reference's own sum.
    # Mismatched: 31 + 32 + 33 after 2, 21 after 1, 11 + 12 after 3; own: 21 after 2, 23 after 1, 96 after 3.
    z = ((96 - 6) + (21 - 1) + (23 - 6)) / 100 / 3
    own = [(21 - 2) / 100, (23 - 2) / 100, (96 - 9) / 100]
    value = torch.tensor([0.5 * (z - own[0]), 0.5 * (own[1] - z), 0.5 * (own[2] - z)])
    expected = (torch.tensor([2.0, 1.0, 1.0]) * (1 - value.sigmoid())).mean()
    # An undesirable response is worth lambda sigmoid(beta (z - r)), a desirable one sigmoid(beta (r - z)).
    assert logs["kl"] == pytest.approx(z)
    assert logs["loss"] == pytest.approx(expected.item(), rel=1e-5)
    assert logs["rewards/desirable"] == pytest.approx(0.5 * (own[1] + own[2]) / 2)
    assert logs["rewards/undesirable"] == pytest.approx(0.5 * own[0])
    # d/d scale of r_i is the reference's sum; z is a constant.
    slope = (
        torch.tensor([2.0, -1.0, -1.0]) * value.sigmoid() * (1 - value.sigmoid()) * 0.5 * torch.tensor(own)
    )
    assert session.scorer.scale.grad.item() == pytest.approx(slope.mean().item(), rel=1e-4)


def test_a_baseline_below_zero_is_zero(session_of):
    session = kto_session(session_of, 0.5, [TREES[2], TREES[5], TREES[9]])
    assert accumulate(passes_of(session), session.objective)["kl"] == 0.0


def test_a_single_row_has_baseline_zero(session_of):
    session = kto_session(session_of, 2.0, [TREES[9]])
    passes = passes_of(session)
    assert [batch.role for batch in passes] == ["learn"]
    logs = accumulate(passes, session.objective)
    assert logs["kl"] == 0.0
    assert not [name for name in logs if "/undesirable" in name], "the mean of nothing is not a number"
    assert logs["rewards/desirable"] == pytest.approx(0.5 * (96 - 9) / 100)


def test_only_learnt_passes_are_learnt_from(tiny, session_of):
    session = session_of(Scorer(tiny()), [TREES[2], TREES[5]], "kto", reference=lambda b: b.target * 0.0)
    assert [batch.role for batch in passes_of(session)] == ["learn", "mismatched"]
    _, looped = session.objective.prepare(passes_of(session))
    assert [batch.role for batch in looped] == ["learn"]
    bco = session_of(Scorer(tiny()), [TREES[2], TREES[5]], "bco", reference=lambda b: b.target * 0.0)
    assert [batch.role for batch in passes_of(bco)] == ["learn"]


def test_what_fits_one_pass_reads_no_prompt_twice(tiny, session_of):
    trees = [single([7] * 20 + [i], [i + 1] * 3, i % 2 == 0) for i in range(4)]
    scorer = Scorer(tiny(), layout="trees")

    def step(cut: int) -> tuple[list[PackedBatch], dict[str, float], Tensor]:
        session = session_of(scorer, trees, "kto", reference=unlikely, tokens_per_pass=cut)
        scorer.zero_grad()
        logs = accumulate(passes_of(session, "trees"), session.objective)
        return passes_of(session), logs, scorer.model.get_input_embeddings().weight.grad.clone()

    (apart, cut, cut_gradient), (one, whole, gradient) = step(100), step(200)
    assert {batch.role for batch in apart} == {"learn", "mismatched"}
    assert [batch.role for batch in one] == ["crossed"]
    assert one[0].tokens.numel() == 20 + 4 * (1 + 3 + 3), "the common beginning and four times the rest"
    assert one[0].first.tolist() == [True, False] * 4
    assert whole == pytest.approx(cut, rel=1e-4)
    assert whole["kl"] > 1
    assert gradient.allclose(cut_gradient, atol=1e-6)


def test_a_prompt_without_room_keeps_its_own_response_alone():
    found = crossed(TREES, {2: TREES[9]})
    assert [len(found[i].branches) for i in (2, 5, 9)] == [2, 1, 1]
    assert (found[2].prompt, found[2].labels) == ([2], (0.0, 0.0))


def test_units_are_responses_and_their_two_classes(tiny):
    objective = choose("kto", None, {}).objective(Scorer(tiny()), lambda b: b.target * 0.0)
    assert objective.count(pad(list(TREES.values()))) == {"response": 3, "desirable": 2, "undesirable": 1}
