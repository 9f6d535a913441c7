"""Filters on numbers worked by hand: probabilities 1/2, 1/4, 1/8, 1/8 unless said otherwise."""

import math

import pytest
import torch

from truing.core.errors import ConfigError
from truing.sampling.filters import (
    draw,
    filtered,
    keep_min_p,
    keep_top_k,
    keep_top_p,
    not_finite,
    penalise_repeats,
)
from truing.sampling.noise import Address, uniforms
from truing.sampling.types import Finish, Sample, Sampling

from ..tables import each

HALVES = torch.tensor([[0.5, 0.25, 0.125, 0.125]]).log()


def kept(logits: torch.Tensor) -> list[int]:
    return logits[0].isfinite().nonzero().squeeze(-1).tolist()


def test_penalty_divides_what_is_likely_and_multiplies_what_is_not() -> None:
    seen = torch.tensor([[True, True, False, False]])
    assert penalise_repeats(torch.tensor([[2.0, -1.0, 2.0, -1.0]]), seen, 2.0).tolist() == [
        [1.0, -2.0, 2.0, -1.0]
    ]


@pytest.mark.parametrize(("k", "expected"), [(1, [0]), (2, [0, 1]), (3, [0, 1, 2, 3]), (9, [0, 1, 2, 3])])
def test_top_k_keeps_ties(k: int, expected: list[int]) -> None:
    assert kept(keep_top_k(HALVES, k)) == expected


@pytest.mark.parametrize(("p", "expected"), [(0.4, [0]), (0.6, [0, 1]), (0.7, [0, 1]), (0.8, [0, 1, 2, 3])])
def test_top_p_keeps_the_fewest_that_reach_p(p: float, expected: list[int]) -> None:
    assert kept(keep_top_p(HALVES, p)) == expected


@pytest.mark.parametrize("p", [0.1, 0.5, 0.9, 0.999])
def test_top_p_of_a_large_vocabulary_agrees_with_a_full_sort(p: float) -> None:
    """3000 tokens, a flat row and a peaked one: the flat one needs more than the first look at 128."""
    logits = torch.randn(2, 3000, generator=torch.Generator().manual_seed(0)) * torch.tensor([[0.1], [5.0]])
    ordered, order = logits.sort(-1, descending=True)
    before = ordered.softmax(-1).cumsum(-1) - ordered.softmax(-1)
    expected = torch.zeros_like(logits, dtype=torch.bool).scatter(1, order, before < p)
    disagreeing = (keep_top_p(logits, p).isfinite() != expected).sum()
    assert disagreeing <= 2  # rounding of the running sum, at the edge alone


@pytest.mark.parametrize(("min_p", "expected"), [(0.6, [0]), (0.4, [0, 1]), (0.2, [0, 1, 2, 3])])
def test_min_p_is_relative_to_the_likeliest(min_p: float, expected: list[int]) -> None:
    assert kept(keep_min_p(HALVES, min_p)) == expected


def test_filters_apply_in_order() -> None:
    """Temperature 1/2 squares: 16/22, 4/22, 1/22, 1/22. Two are kept by top-k and become 4/5 and 1/5.

    So top-p 0.75 keeps the first alone; of the distribution before top-k (16/22 = 0.727) it would keep two.
    """
    both = Sampling(temperature=0.5, top_k=2, top_p=0.75)
    assert kept(filtered(HALVES, both, None)) == [0]
    assert kept(filtered(HALVES, Sampling(temperature=0.5, top_p=0.75), None)) == [0, 1]
    squared = filtered(HALVES, Sampling(temperature=0.5), None).softmax(-1)
    torch.testing.assert_close(squared, torch.tensor([[16.0, 4.0, 1.0, 1.0]]) / 22)


def test_what_is_off_leaves_the_very_tensor() -> None:
    assert filtered(HALVES, Sampling(temperature=1.0), None) is HALVES
    assert filtered(HALVES, Sampling(temperature=0.0, top_k=1), None) is HALVES


@pytest.mark.parametrize(
    ("uniform", "token"), [(0.0, 0), (0.49, 0), (0.51, 1), (0.76, 2), (0.88, 3), (1 - 2**-24, 3)]
)
def test_draw_inverts_the_distribution_in_the_order_of_ids(uniform: float, token: int) -> None:
    drawn = draw(HALVES, torch.tensor([uniform]), logprobs=True)
    assert drawn.tokens.tolist() == [token]
    assert drawn.logprobs is not None
    assert drawn.logprobs.item() == pytest.approx(HALVES[0, token].item())


def test_draw_from_a_large_vocabulary_agrees_with_one_running_sum() -> None:
    """A thousand tokens, every third ruled out; against sums in double precision, away from their edges."""
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(1, 1000, generator=generator)
    logits[:, ::3] = -math.inf
    mass = logits.double().softmax(-1).cumsum(-1)[0]
    uniforms = torch.rand(500, generator=generator)
    clear = (mass - uniforms[:, None].double()).abs().amin(-1) > 1e-6
    expected = torch.searchsorted(mass, uniforms.double(), right=True)
    drawn = draw(logits.expand(500, -1), uniforms, logprobs=False).tokens
    assert clear.sum() > 400
    assert (drawn == expected)[clear].all()
    assert (drawn % 3 != 0).all()


def test_draw_never_lands_on_a_token_ruled_out() -> None:
    logits = torch.tensor([[-math.inf, 0.0, -math.inf, 0.0, -math.inf]])
    for uniform, token in ((0.0, 1), (0.5, 3), (1 - 2**-24, 3)):
        assert draw(logits, torch.tensor([uniform]), logprobs=False).tokens.tolist() == [token]


def test_draw_without_uniforms_is_the_likeliest() -> None:
    drawn = draw(HALVES, None, logprobs=True)
    assert drawn.tokens.tolist() == [0]
    assert drawn.logprobs is not None
    assert drawn.logprobs.item() == pytest.approx(math.log(0.5))
    assert draw(HALVES, None, logprobs=False).logprobs is None


def test_uniforms_depend_on_their_address_alone() -> None:
    alone = uniforms(7, 3, [Address(5, 1)], 4)
    among = uniforms(7, 3, [Address(0, 0), Address(5, 1), Address(2**64 - 1, 0)], 9)
    assert (alone[0] == among[1, :4]).all()
    near = uniforms(7, 3, [Address(2**63 + 1, 0), Address(2**63 + 2, 0)], 4)
    assert (near[0] != near[1]).all()
    others = [uniforms(8, 3, [Address(5, 1)], 4), uniforms(7, 4, [Address(5, 1)], 4)]
    others += [uniforms(7, 3, [Address(6, 1)], 4), uniforms(7, 3, [Address(5, 2)], 4)]
    assert all((alone != other).all() for other in others)


def test_uniforms_are_the_same_on_every_machine() -> None:
    """Philox 4x64-10 of key 0 and counter 1 begins so; changed, no old run could be repeated."""
    words = (0x02F4BA6408E4D89B, 0x3DD62B0B9CA8C5B2)
    assert uniforms(0, 0, [Address(0, 0)], 2)[0].tolist() == [(word >> 40) / 2**24 for word in words]


@each(
    ("field", "value"),
    [
        ("max_new_tokens", 0),
        ("temperature", -1.0),
        ("top_k", -1),
        ("top_p", 0.0),
        ("top_p", 1.1),
        ("min_p", 2.0),
        ("repetition_penalty", 0.0),
        ("stop", ("",)),
        ("seed", -1),
    ],
)
def test_sampling_says_what_is_wrong(field: str, value: object) -> None:
    with pytest.raises(ConfigError, match=f"^{field} is .*, expected "):
        Sampling(**{field: value})  # pyright: ignore[reportArgumentType]


def test_a_sample_has_a_logprob_for_each_token_or_none() -> None:
    with pytest.raises(ValueError, match="2 tokens but 1 log-probabilities"):
        Sample(tokens=[1, 2], logprobs=[0.0], text="", finish=Finish.LENGTH, prompt=0, k=0)


def test_rows_that_no_token_can_be_drawn_from() -> None:
    """A token that a filter rules out is no fault: NaN, infinity and nothing left are."""
    rows = [[0.0, -math.inf, 1.0], [0.0, math.nan, 1.0], [-math.inf] * 3, [0.0, math.inf, 0.0]]
    assert not_finite(torch.tensor(rows)) == [1, 2, 3]
