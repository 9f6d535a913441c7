"""Chunked log-probabilities against `torch.log_softmax`: values, and gradients of every leaf."""

import pytest
import torch
from torch import Tensor, nn

from truing.kernels import logprobs
from truing.kernels.logprobs import Head, head_collision, head_divergence, head_entropy, head_logprobs

from ..tables import each

COUNT, VOCABULARY, WIDTH = 37, 53, 8
HEADS = {
    "plain": {},
    "bias": {"bias": True},
    "scale": {"scale": 0.3},
    "cap": {"cap": 2.0},
    "all": {"bias": True, "scale": 0.3, "cap": 2.0},
}
EVERY_HEAD = each("kind", HEADS.values())


def draw(*shape: int, seed: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def head(*, bias: bool = False, scale: float = 1.0, cap: float | None = None, trained: bool = False) -> Head:
    weight = draw(VOCABULARY, WIDTH, seed=1).requires_grad_(trained)
    return Head(weight, draw(VOCABULARY, seed=2).requires_grad_(trained) if bias else None, scale, cap)


def inputs() -> tuple[Tensor, Tensor]:
    target = torch.randint(VOCABULARY, (COUNT,), generator=torch.Generator().manual_seed(3))
    return draw(COUNT, WIDTH, seed=4).requires_grad_(), target


def plain_table(states: Tensor, head: Head) -> Tensor:
    """The formula, holding all of [N, V]."""
    logits = (states @ head.weight.T + (0 if head.bias is None else head.bias)) * head.scale
    if head.cap:
        logits = head.cap * torch.tanh(logits / head.cap)
    return logits.log_softmax(-1)


def plain(states: Tensor, target: Tensor, head: Head) -> Tensor:
    return plain_table(states, head)[torch.arange(len(target)), target]


def leaves(states: Tensor, head: Head) -> list[Tensor]:
    return [leaf for leaf in (states, head.weight, head.bias) if leaf is not None and leaf.requires_grad]


@pytest.fixture(params=[1, 24 << 20])
def buffer(request, monkeypatch):
    monkeypatch.setattr(logprobs, "BUFFER", request.param)


@EVERY_HEAD
@each("trained", [False, True])
@pytest.mark.usefixtures("buffer")
def test_values_and_gradients_are_those_of_log_softmax(kind: dict, trained: bool):
    states, target = inputs()
    layer = head(**kind, trained=trained)
    found, expected = head_logprobs(states, target, layer), plain(states, target, layer)
    torch.testing.assert_close(found, expected)
    weights = torch.linspace(-1, 1, COUNT)
    for mine, theirs in zip(
        torch.autograd.grad((found * weights).sum(), leaves(states, layer)),
        torch.autograd.grad((expected * weights).sum(), leaves(states, layer)),
        strict=True,
    ):
        torch.testing.assert_close(mine, theirs, atol=1e-5, rtol=1e-5)


@EVERY_HEAD
def test_without_gradient_the_values_are_the_same(kind: dict):
    states, target = inputs()
    with_gradient = head_logprobs(states, target, head(**kind))
    with torch.no_grad():
        assert torch.equal(head_logprobs(states, target, head(**kind)), with_gradient)


def test_a_tied_head_gets_both_gradients():
    # The embedding is the head: its gradient is what it gets as one plus what it gets as the other.
    table = nn.Embedding(VOCABULARY, WIDTH)
    tokens, target = torch.tensor([3, 5, 3]), torch.tensor([5, 3, 7])
    (found,) = torch.autograd.grad(
        head_logprobs(table(tokens), target, Head(table.weight)).sum(), [table.weight]
    )
    (expected,) = torch.autograd.grad(plain(table(tokens), target, Head(table.weight)).sum(), [table.weight])
    torch.testing.assert_close(found, expected)


def test_certain_and_impossible_tokens_stay_exact():
    # Logits 200 and 0: the likely token costs nothing, the other 200 nats, where exp(200) overflows float32.
    layer = Head(torch.tensor([[200.0], [0.0]]))
    logps = head_logprobs(torch.ones(2, 1), torch.tensor([0, 1]), layer)
    assert logps.tolist() == [0.0, -200.0]


@each("trained", [False, True])
def test_bfloat16_states_and_head_give_float32_log_probabilities(trained: bool):
    states, target = inputs()
    layer = head(trained=trained)
    low = Head(layer.weight.detach().bfloat16().requires_grad_(trained))
    given = states.detach().bfloat16().requires_grad_()
    with torch.autocast("cpu", torch.bfloat16):
        found = head_logprobs(given, target, low)
    assert found.dtype is torch.float32
    assert (found - plain(states, target, layer)).abs().mean() < 0.02
    found.sum().backward()
    assert given.grad.dtype is torch.bfloat16
    (expected,) = torch.autograd.grad(plain(states, target, layer).sum(), [states])
    assert (given.grad.float() - expected).abs().mean() < 0.02 * expected.abs().mean() + 0.01
    if trained:
        assert low.weight.grad.dtype is torch.bfloat16


@EVERY_HEAD
@pytest.mark.usefixtures("buffer")
def test_entropy(kind: dict):
    states, _ = inputs()
    logps = plain_table(states, head(**kind))
    found = head_entropy(states, head(**kind))
    torch.testing.assert_close(found, -(logps.exp() * logps).sum(1).detach())
    assert not found.requires_grad


def test_entropy_of_no_opinion_is_the_logarithm_of_the_vocabulary():
    found = head_entropy(torch.zeros(1, WIDTH), head())
    torch.testing.assert_close(found, torch.tensor([float(VOCABULARY)]).log())


@EVERY_HEAD
@pytest.mark.usefixtures("buffer")
def test_collision(kind: dict):
    states, _ = inputs()
    layer = head(**kind)
    expected = plain_table(states, layer).exp().square().sum(-1).log()
    found = head_collision(states, layer)
    torch.testing.assert_close(found, expected.detach())
    assert not found.requires_grad


@EVERY_HEAD
@pytest.mark.usefixtures("buffer")
def test_divergence_and_its_gradient_are_those_of_log_softmax(kind: dict):
    states, _ = inputs()
    layer, reference = head(**kind), draw(COUNT, WIDTH, seed=7)
    there = plain_table(reference, layer)
    expected = (there.exp() * (there - plain_table(states, layer))).sum(-1)
    found = head_divergence(states, reference, layer)
    torch.testing.assert_close(found, expected)
    weights = torch.linspace(-1, 1, COUNT)
    (slope,) = torch.autograd.grad((found * weights).sum(), states)
    (wanted,) = torch.autograd.grad((expected * weights).sum(), states)
    torch.testing.assert_close(slope, wanted, atol=1e-5, rtol=1e-5)


def test_a_state_does_not_diverge_from_itself():
    states, _ = inputs()
    found = head_divergence(states, states.detach(), head())
    assert found.abs().max() < 1e-6
    (slope,) = torch.autograd.grad(found.sum(), states)
    assert slope.abs().max() < 1e-6


def test_a_divergence_needs_a_frozen_head():
    states, _ = inputs()
    with pytest.raises(ValueError, match="head frozen"):
        head_divergence(states, states.detach(), head(trained=True))
