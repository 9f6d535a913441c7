"""Made-up metrics of runs, healthy and sick, and what the rules find in them."""

import math
import random
from collections.abc import Callable
from typing import Any

from truing.config.health import Health
from truing.training.health import (
    Finding,
    diagnose,
)

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
