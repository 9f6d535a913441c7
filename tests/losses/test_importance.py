"""Each expected number is worked out here by hand."""

import math

import pytest
import torch

from truing.losses.importance import (
    ratio_of,
    ratio_stats,
    response_log_ratio,
    response_mask,
    response_truncate,
    token_log_ratio,
    token_mask,
    token_truncate,
)

RESPONSE = torch.tensor([0, 0, 1, 1, 2])
SAMPLER = torch.full((5,), -3.0)


def logs(*ratios: float) -> torch.Tensor:
    """Log-probabilities that many times as likely as the sampler's."""
    return SAMPLER[: len(ratios)] + torch.tensor(ratios).log()


def test_a_token_and_a_response():
    new = logs(2.0, 8.0, 1.0, 0.25, 3.0)
    assert token_log_ratio(new, SAMPLER).exp().tolist() == pytest.approx([2, 8, 1, 0.25, 3])
    # The geometric means are sqrt(2 * 8), sqrt(1 / 4) and 3.
    assert response_log_ratio(new, SAMPLER, RESPONSE).exp().tolist() == pytest.approx([4, 4, 0.5, 0.5, 3])


def test_a_ratio_ends_at_forty_nats():
    assert ratio_of(torch.tensor([math.log(3), 1e4, -1e4])).tolist() == pytest.approx(
        [3.0, math.exp(40), math.exp(-40)]
    )


def test_token_truncate():
    weights = token_truncate(logs(0.1, 1.0, 1.9, 2.1, 50.0), SAMPLER)
    assert weights.tolist() == pytest.approx([0.1, 1.0, 1.9, 2.0, 2.0])
    assert token_truncate(logs(50.0), SAMPLER[:1], ratio_max=3.0).item() == 3.0


def test_token_mask():
    weights = token_mask(logs(0.4, 0.6, 1.0, 4.9, 5.1), SAMPLER)
    assert weights.tolist() == pytest.approx([0.0, 0.6, 1.0, 4.9, 0.0])


def test_a_response_has_the_product_of_its_tokens_ratios():
    # 0.5 * 3 = 1.5, 2 * 2 = 4 and 0.1.
    old = logs(0.5, 3.0, 2.0, 2.0, 0.1)
    assert response_truncate(old, SAMPLER, RESPONSE).tolist() == pytest.approx([1.5, 1.5, 2.0, 2.0, 0.1])
    assert response_mask(old, SAMPLER, RESPONSE).tolist() == pytest.approx([1.5, 1.5, 0.0, 0.0, 0.1])
    kept = response_mask(old, SAMPLER, RESPONSE, ratio_min=0.2, ratio_max=5.0)
    assert kept.tolist() == pytest.approx([1.5, 1.5, 4.0, 4.0, 0.0])


def test_ratio_stats():
    # The clip takes gradients away where the ratio has gone too far already in the advantage's direction.
    ratios = torch.tensor([0.5, 0.5, 1.0, 2.0, 2.0])
    stats = ratio_stats(ratios.log(), torch.tensor([1.0, -1.0, 1.0, 1.0, -1.0]))
    torch.testing.assert_close(stats.ratio, ratios)
    assert stats.clipped_low.tolist() == [0, 1, 0, 0, 0]
    assert stats.clipped_high.tolist() == [0, 0, 0, 1, 0]
    torch.testing.assert_close(stats.kl, ratios - 1 - ratios.log())


def test_ratio_stats_with_other_bounds():
    stats = ratio_stats(torch.tensor([0.95, 1.25]).log(), torch.tensor([-1.0, 1.0]), low=0.04, high=0.28)
    assert (stats.clipped_low.tolist(), stats.clipped_high.tolist()) == ([1, 0], [0, 0])
