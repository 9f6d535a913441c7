"""The rules of online training: each fault is found while it happens, and nothing else is."""

import math

import pytest

from .courses import found, online, rows


def test_kl_that_runs_away():
    seen = found(online(0, kl=lambda step: 0.002 * math.exp(step / 8)))["kl_runaway"]
    assert seen.since == pytest.approx(8 * math.log(500), abs=3)  # 0.002 e^(s/8) = 1
    assert not found(online(0, kl=lambda step: 0.9)), "below the limit, however long"
    assert "kl_runaway" in found(online(0, kl=lambda step: 0.9), kl_runaway={"nats": 0.5})


def test_ktos_kl_is_another_quantity():
    assert not found(rows(40, kl=lambda step: 30.0))


def test_entropy_may_fall_where_the_reward_rises_for_it():
    def falling(step: int) -> float:
        return 1.5 * math.exp(-step / 15)

    assert "entropy_collapse" not in found(online(0, entropy=falling))
    seen = found(online(0, entropy=falling, reward=lambda step: 0.4))["entropy_collapse"]
    assert seen.since == pytest.approx(15 * math.log(2), abs=8)  # half of it is gone


def test_groups_without_a_difference():
    alike = online(0, frac_reward_zero_std=lambda step: 1.5, reward=lambda step: 0.0)
    assert found(alike)["zero_variance_groups"].step == 10
    solved = online(0, frac_reward_zero_std=lambda step: 0.0 if step < 40 else 1.5)
    assert not found(solved), "the reward rose and nothing is left to learn"


def test_reward_hacking_by_a_held_out_reward_that_falls():
    history = online(0)
    for at, value in ((16, 0.3), (32, 0.4), (48, 0.3), (64, 0.2), (80, 0.1)):
        history[at - 1]["eval/reward"] = value
    seen = found(history)["reward_hacking"]
    assert seen.step == 64
    assert "the held-out reward fell from 0.4 to 0.3" in seen.saw


def test_reward_hacking_by_another_reward_that_falls():
    falling = {"rewards/judge/mean": lambda s: 3 - 2 * s / 80, "rewards/judge/std": lambda s: 1.0}
    seen = found(online(0, **falling))["reward_hacking"]
    assert "the reward rose from 0.215 to 0.279 while rewards/judge/mean fell from 2.92 to 2.71" in seen.saw


def test_reward_hacking_by_length():
    longer = {
        "completions/mean_length": lambda step: 40.0 + step / 2,
        "reward/length_correlation": lambda step: 0.97,
    }
    spread = {"reward/length_correlation": lambda step: 0.3}
    seen = found([row | {"reward/length_correlation": 0.97} for row in online(0, **longer)])["reward_hacking"]
    assert "with the length of responses" in seen.saw
    assert not found(online(0, **(longer | spread))), "longer, and not for that"


def test_reward_hacking_by_responses_that_grow_whatever_the_reward_says_of_length():
    """N2: three times as long under a rising reward, with no setting and no correlation within steps."""
    longer = {
        "completions/mean_length": lambda step: 40 + step,
        "kl": lambda step: 0.002 * math.exp(step / 9),
    }
    seen = found(online(0, **longer))
    assert seen["reward_hacking"].step < 80 and seen["reward_hacking"].since >= 60
    assert "while responses grew from 4" in seen["reward_hacking"].saw
    assert "kl_runaway" in seen
    assert "reward_hacking" not in found(online(0, **longer, reward=lambda step: 0.2)), (
        "the reward has not risen"
    )
    assert not found(online(0, **{"completions/mean_length": lambda step: 40 + step / 2})), "twice as long"


def test_reward_hacking_by_repetition():
    seen = found(online(0, **{"completions/repetition": lambda step: 0.01 * step}))
    assert "repetition rose" in seen["reward_hacking"].saw
    assert "degeneration" in seen


def test_refusals_that_rise_at_evaluation():
    history = rows(50, loss=lambda step: 1.0)
    for at, value in ((10, 0.1), (20, 0.1), (30, 0.4), (40, 0.5)):
        history[at - 1]["eval/refusal"] = value
    seen = found(history)["degeneration"]
    assert (seen.step, seen.since) == (40, 30)
    assert seen.saw == "eval/refusal rose from 10% to 40%"


def test_responses_that_no_longer_end():
    seen = found(online(0, **{"completions/clipped_ratio": lambda step: min(1.0, step / 50)}))
    assert "completions/clipped_ratio" in seen["degeneration"].saw


def mismatch(at) -> list[dict]:
    return online(0, **{"sampling/mismatch_kl": at})


def test_a_sampler_that_moves_away_from_the_trainer():
    """A server that takes no new weights from step 20 on: the policy goes on without it."""
    seen = found(mismatch(lambda step: 0.001 + 0.002 * max(0, step - 20)))["sampler_mismatch"]
    assert 30 <= seen.since <= seen.step <= 36  # 0.02 is passed at step 30; the median is 2 steps behind
    assert "from 0.001 to 0.02" in seen.saw
    assert not found(mismatch(lambda step: 0.019)), "responses of another update, as overlap has them"
    assert not found(mismatch(lambda step: 0.1 + 0.002 * step)), "another temperature, from the start"


def test_a_sampler_that_is_another_model_from_the_start():
    seen = found(mismatch(lambda step: 0.8))["sampler_mismatch"]
    assert (seen.step, seen.since) == (5, 1)
    assert "the limit is 0.5" in seen.saw
