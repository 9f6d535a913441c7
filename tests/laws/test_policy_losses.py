"""Laws of every row of the tables of reinforcement learning, whatever its formula.

`POLICY_LOSSES`, `VALUE_LOSSES`, `CORRECTIONS`, `KL_ESTIMATORS` and `AGGREGATIONS`; `CREDITS` are in
`test_credits.py`. A new row is covered by being in its table; a policy loss must also state its value where
the policy is the one that sampled.
"""

from collections.abc import Callable, Iterator
from itertools import product

import pytest
import torch
from torch import Tensor

from truing.losses.aggregate import AGGREGATIONS, response_mean
from truing.losses.importance import CORRECTIONS
from truing.losses.kl import KL_ESTIMATORS, WITHOUT_PULL
from truing.losses.policy_gradient import POLICY_LOSSES, VALUE_LOSSES
from truing.objectives.binding import checked, defaults_of, needs, pick

from ..tables import each

TABLES = {**POLICY_LOSSES, **VALUE_LOSSES, **CORRECTIONS, **KL_ESTIMATORS}
Formula = Callable[..., Tensor]


def over(table: dict[str, Formula]) -> pytest.MarkDecorator:
    return each("formula", table.values())


EVERY_DTYPE = each("dtype", [torch.float32, torch.bfloat16], ids=str)

# Six tokens of three responses. The policy moved both ways; so did what the sampler says.
GIVEN = {
    "logps": torch.tensor([-1.0, -2.5, -0.7, -3.0, -1.9, -0.2]),
    "old_logps": torch.tensor([-1.3, -2.4, -0.3, -2.2, -1.9, -0.9]),
    "sampler_logps": torch.tensor([-1.9, -2.0, -1.2, -0.9, -2.0, -3.0]),
    "ref_logps": torch.tensor([-2.0, -2.5, -0.6, -4.0, -1.0, -0.1]),
    "advantages": torch.tensor([1.5, 1.5, 1.5, -0.5, -2.0, -2.0]),
    "response": torch.tensor([0, 0, 0, 1, 2, 2]),
    "values": torch.tensor([0.3, -0.8, 1.0, 0.9, -1.1, 0.4]),
    "old_values": torch.tensor([0.1, -0.1, 1.4, 0.2, -1.0, 0.7]),
    "returns": torch.tensor([1.0, 0.0, 2.0, 0.1, -3.0, 0.5]),
}
LEARNT = ("logps", "values")


def apply(formula: Formula, **changes: Tensor) -> Tensor:
    return formula(**pick(formula, {**GIVEN, **changes}))


def slope(formula: Formula, at: Tensor, **changes: Tensor) -> Tensor:
    """The gradient of all losses added up with respect to the policy, [6]."""
    logps = at.clone().requires_grad_()
    return torch.autograd.grad(apply(formula, logps=logps, **changes).sum(), logps)[0]


def leaves(formula: Formula) -> dict[str, Tensor]:
    """All real-valued things the formula asks for, each asking for a gradient."""
    asked = pick(formula, GIVEN)
    return {name: x.clone().requires_grad_() for name, x in asked.items() if x.is_floating_point()}


@over(TABLES)
def test_one_number_per_token_and_their_order_is_that_of_the_tokens(formula: Formula):
    found, order = apply(formula), torch.tensor([4, 0, 3, 5, 2, 1])
    assert found.shape == (6,)
    torch.testing.assert_close(apply(formula, **{k: x[order] for k, x in GIVEN.items()}), found[order])


@over(TABLES)
def test_no_tokens_have_no_losses(formula: Formula):
    assert apply(formula, **{name: x[:0] for name, x in GIVEN.items()}).shape == (0,)


@over(TABLES)
def test_the_gradient_goes_to_what_is_learnt_alone(formula: Formula):
    given = leaves(formula)
    found = apply(formula, **given)
    if formula.__name__ in CORRECTIONS:
        assert not found.requires_grad
        return
    found.sum().backward()
    assert {name for name, x in given.items() if x.grad is not None} == set(given) & set(LEARNT)


@over(TABLES)
def test_tokens_know_of_each_other_within_a_response_and_only_where_the_formula_takes_it(formula: Formula):
    """`response` in a signature asks the loop for all tokens of a response at once."""
    response = GIVEN["response"]
    found = apply(formula)
    apart = [{name: x[[t]] for name, x in GIVEN.items()} for t in range(6)]
    alone = torch.cat([apply(formula, **{**one, "response": torch.tensor([0])}) for one in apart])
    assert torch.allclose(found, alone) != needs(formula, "response")
    for b in range(3):
        one = {name: x[response == b] for name, x in GIVEN.items()}
        one["response"] = torch.zeros_like(one["response"])
        torch.testing.assert_close(apply(formula, **one), found[response == b])


@over(TABLES)
def test_every_hyper_parameter_is_a_scalar_that_is_read(formula: Formula):
    generator = torch.Generator().manual_seed(0)
    wide = {name: 3 * torch.randn(300, generator=generator) for name, x in GIVEN.items()}
    wide["response"] = torch.arange(300)
    before = apply(formula, **wide)
    for key, default in defaults_of(formula).items():
        assert checked(key, default, default) == default
        assert isinstance(default, float)
        changed = formula(**pick(formula, wide), **{key: 0.5 * default + 0.01})
        assert not torch.equal(changed, before), key


def corners_of(sides: int) -> Iterator[tuple[float, ...]]:
    """Every combination of equal, near and far, one tuple per side."""
    return zip(*product([0.0, -1.0, -1e4], repeat=sides), strict=True)


@over(TABLES)
@EVERY_DTYPE
def test_values_and_gradients_are_finite_however_far_apart(formula: Formula, dtype: torch.dtype):
    names = [name for name in pick(formula, GIVEN) if name != "response"]
    corners = [torch.tensor(x, dtype=dtype) for x in corners_of(len(names))]
    given = {name: x.requires_grad_() for name, x in zip(names, corners, strict=True)}
    count = len(corners[0])
    for response in (torch.arange(count), torch.arange(count) // 9):
        found = apply(formula, **given, response=response)
        assert found.dtype is dtype
        assert torch.isfinite(found).all()
        if found.requires_grad:
            found.sum().backward()
    for x in given.values():
        assert x.grad is None or torch.isfinite(x.grad).all()


# Policy losses

# Where the policy is the one that sampled, of advantage and log-probability.
AT_RATIO_ONE: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    **dict.fromkeys(["clipped_surrogate", "dual_clip", "gspo", "gspo_token"], lambda a, logps: -a),
    **dict.fromkeys(["reinforce", "cispo"], lambda a, logps: -a * logps),
    "sapo": lambda a, logps: -a * torch.where(a > 0, 2.0, 2 / 1.05),  # half of 4 / temperature
}


@each("name", POLICY_LOSSES)
def test_the_value_where_the_policy_is_the_one_that_sampled(name: str):
    assert set(AT_RATIO_ONE) == set(POLICY_LOSSES), "every loss states its number"
    found = apply(POLICY_LOSSES[name], old_logps=GIVEN["logps"])
    torch.testing.assert_close(found, AT_RATIO_ONE[name](GIVEN["advantages"], GIVEN["logps"]))


@over(POLICY_LOSSES)
def test_the_first_update_after_sampling_is_that_of_reinforce(formula: Formula):
    """Each response weighing 1 / length, so that a ratio of the whole response is a mean of its tokens'."""
    logps, weights = GIVEN["logps"].clone().requires_grad_(), response_mean(GIVEN["response"])
    losses = apply(formula, logps=logps, old_logps=GIVEN["logps"])
    (weights * losses).sum().backward()
    torch.testing.assert_close(logps.grad, -weights * GIVEN["advantages"])


@over(POLICY_LOSSES)
@each("moved", [2e-4, -2e-4])
def test_tokens_better_than_expected_are_pushed_up_and_worse_ones_down(formula: Formula, moved: float):
    found = slope(formula, GIVEN["old_logps"] + moved)
    assert torch.equal(found.sign(), -GIVEN["advantages"].sign())


@over(POLICY_LOSSES)
def test_a_response_no_better_than_expected_is_left_alone(formula: Formula):
    advantages = GIVEN["advantages"].masked_fill(GIVEN["response"] == 0, 0)
    assert slope(formula, GIVEN["logps"], advantages=advantages)[:3].tolist() == [0.0] * 3


@over({name: loss for name, loss in POLICY_LOSSES.items() if needs(loss, "old_logps")})
def test_a_token_that_is_already_much_likelier_is_not_pushed_as_if_it_were_new(formula: Formula):
    """At a ratio of 20 the push is below 6: that is what all of them are for."""
    assert (-slope(formula, GIVEN["old_logps"] + 3, advantages=torch.ones(6)) < 6).all()


@over(VALUE_LOSSES)
def test_a_value_is_pushed_towards_its_return(formula: Formula):
    values = GIVEN["values"].clone().requires_grad_()
    apply(formula, values=values, old_values=GIVEN["values"]).sum().backward()
    torch.testing.assert_close(values.grad, GIVEN["values"] - GIVEN["returns"])


@over(VALUE_LOSSES)
def test_a_value_loss_is_zero_at_the_return_the_critic_gave(formula: Formula):
    assert apply(formula, values=GIVEN["returns"], old_values=GIVEN["returns"]).tolist() == [0.0] * 6


# Corrections for the sampler


@over(CORRECTIONS)
def test_a_sampler_that_agrees_is_not_corrected(formula: Formula):
    assert apply(formula, sampler_logps=GIVEN["old_logps"]).tolist() == [1.0] * 6


@over(CORRECTIONS)
def test_weights_are_at_least_zero_and_at_most_their_bound(formula: Formula):
    weights = apply(formula)
    assert (weights >= 0).all()
    bound = defaults_of(formula)["ratio_max"]
    assert isinstance(bound, float) and (weights <= bound).all()


# Estimates of the KL


@over(KL_ESTIMATORS)
def test_no_kl_where_policy_and_reference_agree(formula: Formula):
    assert apply(formula, ref_logps=GIVEN["logps"]).tolist() == [0.0] * 6


@each("name", KL_ESTIMATORS)
def test_an_estimator_that_pulls_pulls_towards_the_reference(name: str):
    found = slope(KL_ESTIMATORS[name], GIVEN["logps"], old_logps=GIVEN["logps"])
    towards = torch.equal(found.sign(), (GIVEN["logps"] - GIVEN["ref_logps"]).sign())
    assert towards == (name not in WITHOUT_PULL)
    assert (apply(KL_ESTIMATORS[name]) >= 0).all() == (name not in WITHOUT_PULL)


# From tokens to a step

GROUP = torch.tensor([0, 0, 1])
LONGEST = 3


def weights_of(name: str, response: Tensor, group: Tensor) -> Tensor:
    weigh = AGGREGATIONS[name].weigh
    return weigh(**pick(weigh, {"response": response, "group": group, "max_length": LONGEST}))


def units(name: str, response: Tensor, group: Tensor) -> int:
    return {"token": len(response), "response": len(group), "prompt": len(group.unique())}[
        AGGREGATIONS[name].unit
    ]


@each("name", AGGREGATIONS)
def test_tokens_of_a_response_weigh_the_same_and_more_than_nothing(name: str):
    weights = weights_of(name, GIVEN["response"], GROUP)
    assert (weights > 0).all()
    assert len(set(weights[:3].tolist())) == 1 == len(set(weights[4:].tolist()))


@each("name", AGGREGATIONS)
def test_where_all_responses_are_as_long_as_can_be_only_the_scale_differs(name: str):
    response = torch.arange(3).repeat_interleave(LONGEST)
    losses = torch.arange(9.0)
    prompts = torch.arange(3)
    found = (weights_of(name, response, prompts) * losses).sum() / units(name, response, prompts)
    assert found.item() == pytest.approx(4.0 * (LONGEST if name == "response_sum" else 1))


@each("name", AGGREGATIONS)
def test_weights_do_not_depend_on_how_prompts_are_cut_into_passes(name: str):
    response = GIVEN["response"]
    whole = weights_of(name, response, GROUP)
    first = weights_of(name, response[:4], GROUP[:2])
    second = weights_of(name, response[4:] - 2, GROUP[2:] - 1)
    assert torch.equal(torch.cat([first, second]), whole)
    counted = units(name, response[:4], GROUP[:2]) + units(name, response[4:] - 2, GROUP[2:] - 1)
    assert counted == units(name, response, GROUP)
