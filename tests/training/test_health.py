"""Each rule on series whose course is known: it sees its fault, and noise of any seed leaves it silent."""

import json
import math
import random
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from truing.config.health import Health
from truing.core.errors import ConfigError
from truing.training.health import (
    RULES,
    Finding,
    HealthHook,
    Unhealthy,
    Watch,
    diagnose,
    looks,
    read_findings,
)
from truing.training.health_series import History, Series, noise

from ..tables import each

Course = Callable[[int], float]  # of a metric, by step


def rows(steps: int, **courses: Course) -> list[dict[str, Any]]:
    """Metrics of a run, each a function of the step."""
    return [
        {"step": step, **{name: at(step) for name, at in courses.items()}} for step in range(1, steps + 1)
    ]


def found(history: list[dict[str, Any]], **rules: dict[str, float]) -> dict[str, Finding]:
    return {finding.rule: finding for finding in diagnose(history, Health(rules=rules))[0]}


def noisy(seed: int, at: Course, spread: float) -> Course:
    draw = random.Random(seed)
    return lambda step: at(step) + draw.gauss(0, spread)


def preference(seed: int, chosen: Course, margin: Course, steps: int = 80) -> list[dict[str, Any]]:
    """A DPO run with beta 0.1 whose batches differ by 4 nats: `chosen` is what its log-ratio is, in nats."""
    draw = random.Random(seed)
    found = []
    for step in range(1, steps + 1):
        batch, ratio = draw.gauss(-60, 4), chosen(step) + draw.gauss(0, 0.5)
        gap = margin(step) + draw.gauss(0, 0.1)
        found.append(
            {
                "step": step,
                "loss": math.log1p(math.exp(-gap)),
                "learning_rate": 1e-5,
                "rewards/chosen": 0.1 * ratio,
                "rewards/margins": gap,
                "rewards/accuracies": 1 / (1 + math.exp(-2 * gap)),
                "logps/chosen": batch + ratio,
                "logps/rejected": batch + ratio - 10 * gap,
            }
        )
    return found


def online(seed: int, steps: int = 80, **changes: Course) -> list[dict[str, Any]]:
    """A GRPO run that learns: the reward rises, entropy falls by a third, KL stays small."""
    draw = random.Random(seed)
    courses: dict[str, tuple[Course, float]] = {
        "reward": (lambda step: 0.2 + 0.5 * step / steps, 0.05),
        "reward_std": (lambda step: 0.3, 0.02),
        "entropy": (lambda step: 1.5 - 0.5 * step / steps, 0.1),
        "kl": (lambda step: 0.1 * step / steps, 0.01),
        "frac_reward_zero_std": (lambda step: 0.4, 0.1),
        "completions/mean_length": (lambda step: 40.0, 4.0),
        "completions/clipped_ratio": (lambda step: 0.1, 0.03),
        "completions/repetition": (lambda step: 0.05, 0.02),
        "reward/length_correlation": (lambda step: 0.2, 0.3),
        "loss": (lambda step: 0.0, 0.05),
    }
    courses |= {name: (course, courses.get(name, (course, 0.0))[1]) for name, course in changes.items()}
    return [
        {"step": step, **{name: at(step) + draw.gauss(0, spread) for name, (at, spread) in courses.items()}}
        for step in range(1, steps + 1)
    ]


# A healthy run says nothing


@each("seed", range(20))
def test_a_healthy_preference_run_is_healthy(seed: int):
    learning = preference(seed, chosen=lambda step: -4 * step / 80, margin=lambda step: 2 * step / 80)
    assert not found(learning)


@each("seed", range(20))
def test_a_healthy_online_run_is_healthy(seed: int):
    assert not found(online(seed))


@each("seed", range(20))
def test_a_healthy_fine_tuning_run_is_healthy(seed: int):
    draw = random.Random(seed)
    history = [
        {"step": s, "loss": (0.5 + 1.5 * math.exp(-s / 60)) * math.exp(draw.gauss(0, 0.35)), "grad_norm": 1.0}
        for s in range(1, 301)
    ]
    assert not found(history)


# Every rule sees its fault


def test_likelihood_displacement_is_seen_while_it_happens():
    falling = preference(0, lambda step: -max(0, step - 20) * 1.5, lambda step: step / 10)
    seen = found(falling)["likelihood_displacement"]
    assert 20 <= seen.since <= 30
    assert seen.step < 50
    assert "responses fell from -59 to -74.9 nats" in seen.saw
    assert "sft_weight" in seen.advice


def test_likelihood_that_falls_without_a_growing_margin_is_not_displacement():
    assert "likelihood_displacement" not in found(preference(0, lambda step: -0.5 * step, lambda step: 0.0))
    twice = found(preference(0, lambda step: -1.5 * step, lambda step: 0.0))["likelihood_displacement"]
    assert twice.step > 40, "once it has lost as much as it began with, whatever the margin does"


def test_displacement_is_seen_in_unpaired_methods():
    paired = preference(0, lambda step: -1.5 * step, lambda step: step / 10)
    renamed = [
        {
            "step": row["step"],
            "logps/desirable": row["logps/chosen"],
            "rewards/desirable": row["rewards/chosen"],
            "rewards/undesirable": row["rewards/chosen"] - row["rewards/margins"],
        }
        for row in paired
    ]
    assert list(found(renamed)) == ["likelihood_displacement"]


def test_a_single_bad_batch_is_no_spike_and_three_are():
    draw = random.Random(0)
    calm = [{"step": s, "loss": 1 + draw.gauss(0, 0.05)} for s in range(1, 101)]
    calm[49]["loss"] = 9.0
    assert not found(calm)
    for at in (80, 85, 90):
        calm[at]["loss"] = at / 2
    seen = found(calm)["loss_spikes"]
    assert (seen.since, seen.step) == (81, 91)


def test_a_loss_that_never_comes_back_below_its_start_is_seen():
    seen = found(rows(30, loss=lambda step: 2.0 if step == 1 else 6.0 + step % 3))["loss_spikes"]
    assert seen.since == 2
    assert "began at 2" in seen.saw


def test_the_loss_of_a_policy_gradient_says_nothing():
    assert not found(rows(60, loss=lambda step: 100.0 * (step > 20), reward=lambda step: 0.5))


def pairs_at(loss: Course, margin: Course, warm_up: int, steps: int = 60) -> list[dict[str, Any]]:
    return [
        {
            "step": s,
            "loss": loss(s),
            "rewards/margins": margin(s),
            "learning_rate": 1e-6 * min(s, warm_up) / warm_up,
        }
        for s in range(1, steps + 1)
    ]


def test_stuck_at_ln2_is_counted_from_the_end_of_the_warm_up():
    still = pairs_at(noisy(0, lambda s: math.log(2), 1e-3), noisy(1, lambda s: 0.0, 1e-3), warm_up=30)
    seen = found(still)["stuck_at_ln2"]
    assert seen.since == 31
    assert seen.step >= 50


def test_a_slow_start_is_not_stuck():
    learning = pairs_at(noisy(0, lambda s: math.log(2), 4e-3), noisy(1, lambda s: 0.002 * s, 0.01), warm_up=5)
    assert not found(learning)


def test_labels_learnt_by_heart_are_seen_once_three_evaluations_say_so():
    history = rows(60, **{"rewards/accuracies": lambda s: min(1.0, 0.5 + s / 40)})
    for at in (15, 30, 45, 60):
        history[at - 1]["eval/rewards/accuracies"] = 0.5
    seen = found(history)["label_noise"]
    assert seen.step == 45
    assert "100% of training pairs are ranked right, but 50% of held-out ones" in seen.saw


def test_pairs_ranked_worse_than_by_chance_are_seen():
    assert "label_noise" in found(rows(40, accuracy=noisy(0, lambda s: 0.3, 0.1)))
    assert not found(rows(40, accuracy=noisy(0, lambda s: 0.5, 0.1)))


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
        "completions/mean_length": lambda step: 40.0 + step,
        "reward/length_correlation": lambda step: 0.97,
    }
    spread = {"reward/length_correlation": lambda step: 0.3}
    seen = found([row | {"reward/length_correlation": 0.97} for row in online(0, **longer)])["reward_hacking"]
    assert "with the length of responses" in seen.saw
    assert not found(online(0, **(longer | spread))), "longer, and not for that"


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


def test_one_loss_of_fifty_times_the_usual_one_is_a_spike():
    """The median is 0.6525, its fiftyfold 32.6; a converged loss of 0.001 may leap to 0.06 unsaid."""
    losses = [0.7 - 0.005 * step for step in range(20)]
    for leap, seen in ((32.0, []), (33.0, ["loss_spikes"])):
        history = [{"step": at, "loss": loss} for at, loss in enumerate([*losses, leap], 1)]
        assert [finding.rule for finding in diagnose(history, Health())[0]] == seen
    low = [{"step": at, "loss": loss} for at, loss in enumerate([0.7, *[0.001] * 20, 0.06], 1)]
    assert not diagnose(low, Health())[0]


# The table


@each("name", RULES)
def test_a_rule_says_nothing_of_a_run_that_logs_nothing_or_little(name: str):
    rule = RULES[name]
    assert rule.look(History()) is None
    assert set(rule.thresholds) and rule.advice
    for count in (1, 2, 5):
        history = History()
        for row in [*preference(0, lambda s: -30.0 * s, lambda s: 9.0 * s, count)]:
            history.add(row)
        assert rule.look(history) is None


def test_what_is_no_number_is_left_out():
    history = History()
    history.add({"step": 1, "loss": math.nan, "note": "text", "flag": True, "none": None, "kl": 2})
    assert history.names() == ["step", "kl"]
    assert history.lost == {"loss": [1]}


def test_a_rule_that_is_off_or_has_another_threshold():
    far = online(0, kl=lambda step: 2.0)
    assert list(found(far)) == ["kl_runaway"]
    assert not diagnose(far, Health(off=("kl_runaway",)))[0]
    assert not found(far, kl_runaway={"nats": 3})


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"off": ("kl_runway",)}, "no health rule 'kl_runway'.*did you mean 'kl_runaway'"),
        ({"rules": {"entropy": {}}}, "no health rule 'entropy'"),
        ({"rules": {"kl_runaway": {"nat": 1.0}}}, "kl_runaway takes .*'nats'.* not 'nat'.*did you mean"),
        ({"rules": {"kl_runaway": {"steps": 1.5}}}, "steps is 1.5: expected a whole number"),
    ],
)
def test_misspelt_rules_are_refused(asked: Mapping[str, Any], message: str):
    with pytest.raises(ConfigError, match=message):
        looks(Health(**asked))


def test_the_documentation_has_every_rule_with_its_thresholds():
    page = (Path(__file__).parents[2] / "docs" / "health.md").read_text()
    told = dict(re.findall(r"^\| `(\w+)` \| .* \| (.*) \|$", page, re.MULTILINE))
    assert told == {
        name: ", ".join(f"`{key}` {value:g}" for key, value in rule.thresholds.items())
        for name, rule in RULES.items()
    }


@pytest.mark.parametrize("value", [0, -1.0, True, "1"])
def test_a_threshold_is_a_number_above_0(value: object):
    with pytest.raises(ValidationError):
        Health.model_validate({"rules": {"kl_runaway": {"nats": value}}})


# Statistics


def test_noise_is_the_spread_about_a_trend():
    draw = random.Random(0)
    assert noise([3 * n + draw.gauss(0, 40) for n in range(2000)]) == pytest.approx(40, rel=0.05)
    assert noise([0.0] * 9 + [1.0]) == pytest.approx(math.sqrt(1 / 9) / math.sqrt(2)), "most neighbours equal"
    assert noise([5.0]) == 0


def test_a_change_that_is_none_is_rarely_beyond_three_standard_errors():
    beyond = 0
    for seed in range(500):
        draw = random.Random(seed)
        change = Series(list(range(40)), [draw.gauss(0, 1) for _ in range(40)]).change()
        assert change is not None
        beyond += abs(change.sigmas) > 3
    assert beyond <= 10  # 1 % would be 5


def test_since_is_where_a_series_went_over_for_good():
    values = [0.0, 0.0, 9.0, 0.0, 0.0, 5.0, 5.0, 0.0, 5.0, 5.0]
    assert Series(list(range(10, 110, 10)), values).since(1.0, above=True) == 60, (
        "one dip or one peak is noise"
    )


# While training


def test_a_finding_is_said_once_and_written_down(tmp_path):
    lines: list[str] = []
    hook = HealthHook(Health(), tmp_path, lines.append)
    for row in online(0, kl=lambda step: 2.0):
        hook(row.pop("step"), row)
    assert len(lines) == 1
    assert lines[0].startswith("health: kl_runaway since step 1: the policy is 2")
    assert [finding.rule for finding in read_findings(tmp_path)] == ["kl_runaway"]
    assert json.loads((tmp_path / "health.jsonl").read_text())["step"] == 5


def test_a_resumed_run_knows_what_was_logged_and_said(tmp_path):
    history = online(0, kl=lambda step: 2.0)
    lines: list[str] = []
    resumed = HealthHook(Health(), tmp_path, lines.append, history[:4])
    resumed(5, {"kl": 2.0, "reward": 0.2})
    assert len(lines) == 1, "the fifth step far away, four of them before the process began"
    again = HealthHook(Health(), tmp_path, lines.append, history[:4], read_findings(tmp_path))
    again(5, {"kl": 2.0, "reward": 0.2})
    assert len(lines) == 1


def test_stop_ends_the_run_with_the_reason(tmp_path):
    hook = HealthHook(Health(action="stop"), tmp_path, lambda line: None)
    with pytest.raises(Unhealthy, match="kl_runaway since step 1: the policy is 2") as caught:
        for row in online(0, kl=lambda step: 2.0):
            hook(row.pop("step"), row)
    assert caught.value.exit_code == 4
    assert "kl_weight" in caught.value.hint
    assert len(read_findings(tmp_path)) == 1


def test_a_rule_without_its_metrics_is_blind():
    watch = Watch(Health(off=("loss_spikes",)))
    watch.take({"step": 1, "loss": 1.0, "logps/chosen": -3.0})
    assert set(watch.blind()) == set(RULES) - {"not_a_number", "loss_spikes", "likelihood_displacement"}
