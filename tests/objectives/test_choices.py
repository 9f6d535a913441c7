"""Functions of tables bound to the numbers of a recipe."""

from truing.losses.policy_gradient import POLICY_LOSSES
from truing.methods.online import choose_online
from truing.objectives.choices import Bound, Settings


def scaled(rewards: list[float], *, by: float = 1.0) -> list[float]:
    return [by * reward for reward in rewards]


def test_a_bound_function_gets_what_it_takes_and_no_more():
    bound = Bound("scaled", scaled, {"by": 2.0})
    assert bound(rewards=[1.0], group=[0]) == [2.0]
    assert bound.takes("rewards") and not bound.takes("group")


def test_needs_follow_from_the_choices():
    plain = choose_online("grpo", None, {"kl_weight": 0.0})
    assert not (plain.needs_reference or plain.needs_critic or plain.needs_sampler)
    assert choose_online("grpo", None, {"kl_weight": 0.1, "kl": "k3"}).needs_reference
    assert choose_online("grpo", None, {"correction": "token_truncate"}).needs_sampler
    assert choose_online("ppo", None).needs_critic


def test_every_choice_is_recorded_with_its_numbers():
    told = choose_online("grpo", "cispo", {"ratio_max": 3.0}).described
    assert told["loss"]["name"] == "cispo" and told["loss"]["ratio_max"] == 3.0
    assert set(vars(Settings())) <= set(told) and "correction" not in told
    assert POLICY_LOSSES["cispo"]
