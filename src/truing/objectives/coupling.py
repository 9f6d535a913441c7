"""Losses that couple the items of a step, over passes that each hold a few of the items.

Such a loss (a sort over all pairs, a shift by the mean reward) is not a sum over passes. Its value and its
slopes with respect to the policy's log-probabilities are computed once from all items, without a graph. Each
pass then carries its share back:

    d loss / d theta  =  sum over items of  (d loss / d logp_i)  (d logp_i / d theta)
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from truing.losses.preference import Pair
from truing.objectives.binding import Hyper, Loss

Given = dict[str, Any]  # what a loss is called with: under "policy" and others a Tensor or a Pair


@dataclass(frozen=True)
class Share:
    """One pass's part of a coupled loss."""

    losses: Tensor  # [n]
    slopes: tuple[Tensor, ...]  # d (sum of all losses) / d of each tensor of `policy`, [n] each

    def replay(self, policy: Tensor | Pair) -> Tensor:
        """Return the losses of this pass once more, [n], now with their gradient."""
        parts = _parts(policy)
        moves = [slope * (part - part.detach()) for slope, part in zip(self.slopes, parts, strict=True)]
        return self.losses + torch.stack(moves).sum(0)


def moved(given: Given, device: torch.device | str) -> Given:
    """Return the arguments of a loss on another device."""
    return {name: _moved(value, device) for name, value in given.items()}


def _moved(value: Tensor | Pair, device: torch.device | str) -> Tensor | Pair:
    return Pair(*(one.to(device) for one in value)) if isinstance(value, Pair) else value.to(device)


def _parts(value: Tensor | Pair) -> tuple[Tensor, ...]:
    return tuple(value) if isinstance(value, Pair) else (value,)


def _joined(values: Sequence[Any]) -> Any:
    if isinstance(values[0], Pair):
        return Pair(torch.cat([v.chosen for v in values]), torch.cat([v.rejected for v in values]))
    return torch.cat(list(values)) if values[0].dim() else values[0]  # KTO's baseline is the step's already


def shares(loss: Loss, given: Sequence[Given], hyper: Mapping[str, Hyper]) -> list[Share]:
    """Compute `loss` over all passes at once and cut it into one share for each; `given` has no gradient."""
    together = {name: _joined([one[name] for one in given]) for name in given[0]}
    sizes = [len(_parts(one["policy"])[0]) for one in given]
    with torch.enable_grad():
        leaves = tuple(part.detach().requires_grad_() for part in _parts(together["policy"]))
        policy = Pair(*leaves) if len(leaves) == 2 else leaves[0]
        losses = loss(**{**together, "policy": policy}, **hyper)
        slopes = torch.autograd.grad(losses.sum(), leaves)
    cut = [part.split(sizes) for part in (losses.detach(), *slopes)]
    return [Share(own, tuple(rest)) for own, *rest in zip(*cut, strict=True)]
