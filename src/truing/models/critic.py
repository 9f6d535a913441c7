"""The critic: it estimates the reward still to come from the state that predicts each token.

Under LoRA it is a role of the policy's backbone; in full training, or from another model, it is a model of
its own. The head is one linear map in float32, as PPO's critics have had it since arXiv:1909.08593.
"""

from collections.abc import Callable
from contextlib import nullcontext

import torch
from peft import PeftModel
from torch import Tensor, nn

from truing.data.packing import PackedBatch
from truing.models.roles import playing
from truing.models.scoring import Trunk


class Critic(Trunk):
    """A model of values of a batch's targets. `role` names its adapter; None is the model's own."""

    def __init__(
        self,
        model: nn.Module,
        head: nn.Linear,
        *,
        role: str | None,
        layout: str,
        autocast: torch.dtype | None = None,
    ) -> None:
        super().__init__(model, layout=layout, autocast=autocast)
        self.head, self.role = head, role
        self._read: Callable[[PackedBatch], Tensor] = self._states

    def read_through(self, host: Trunk) -> None:
        """Read the backbone through the scorer that holds it in shards, since it alone can join them."""
        self._read, self.sharded = host.states, host.sharded

    def forward(self, batch: PackedBatch) -> Tensor:
        """Return the reward expected from each target on, before the target is known, [N] f32."""
        with (
            playing(self.model, self.role)
            if isinstance(self.model, PeftModel) and self.role
            else nullcontext()
        ):
            states = self._read(batch)
        return self.head(states.float())[:, 0]


def new_head(width: int, seed: int, device: torch.device) -> nn.Linear:
    """Draw a head from N(0, 1 / (width + 1)), as a new reward head is (arXiv:2009.01325)."""
    head = nn.Linear(width, 1, bias=False)
    draw = torch.randn(1, width, generator=torch.Generator().manual_seed(seed))
    head.weight.data.copy_(draw / (width + 1) ** 0.5)
    return head.to(device)
