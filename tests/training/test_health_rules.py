"""The rules of training on rows: each fault is found while it happens, and nothing else is."""

import math
import random

from truing.config.health import Health
from truing.training.health import (
    diagnose,
)

from .courses import found, noisy, pairs_at, preference, rows

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


def test_one_loss_of_fifty_times_the_usual_one_is_a_spike():
    """The median is 0.6525, its fiftyfold 32.6; a converged loss of 0.001 may leap to 0.06 unsaid."""
    losses = [0.7 - 0.005 * step for step in range(20)]
    for leap, seen in ((32.0, []), (33.0, ["loss_spikes"])):
        history = [{"step": at, "loss": loss} for at, loss in enumerate([*losses, leap], 1)]
        assert [finding.rule for finding in diagnose(history, Health())[0]] == seen
    low = [{"step": at, "loss": loss} for at, loss in enumerate([0.7, *[0.001] * 20, 0.06], 1)]
    assert not diagnose(low, Health())[0]
