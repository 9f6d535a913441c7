"""The weight of the KL over a run of online training: fixed, or steered after every step."""

import math
from dataclasses import dataclass

from truing.core.errors import ConfigError


@dataclass
class KlController:
    """The weight of the KL: fixed, or steered towards a target as in arXiv:1909.08593 section 2.2.

    After each step weight *= 1 + clip(kl / target - 1, -0.2, 0.2) * responses / horizon. `kl` is in the unit
    of `target`: nats per response in the paper (target 6), nats per token where the target is per token.
    """

    weight: float = 0.05
    target: float = 0.0  # 0 keeps the weight as it is
    horizon: float = 10_000.0  # responses

    def __post_init__(self) -> None:
        if self.target < 0 or self.horizon <= 0:
            raise ConfigError(
                f"a KL target of {self.target:g} over {self.horizon:g} responses cannot be steered to: "
                "expected a target of 0 (fixed weight) or above, and a horizon above 0"
            )

    def update(self, kl: float, responses: int) -> None:
        """Take in the step's mean KL over `responses` responses; the new weight is for the next step."""
        if self.target:
            assert math.isfinite(kl), "a step whose KL is not finite stops before it gets here"
            error = min(max(kl / self.target - 1, -0.2), 0.2)
            self.weight *= 1 + error * responses / self.horizon

    def state(self) -> dict[str, float]:
        """Return the weight for a checkpoint; target and horizon come from the recipe."""
        return {"weight": self.weight}

    def restore(self, state: dict[str, float]) -> None:
        """Go on from where `state` was taken."""
        self.weight = state["weight"]
