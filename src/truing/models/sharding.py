"""Weights in shards: every rank holds a part of each tensor, and FSDP2 of PyTorch joins them to use them.

    shard(scorer)          the weights of a scorer in shards over the ranks; adapters stay whole
    whole(value)           all of a tensor, asked for on all ranks at once
    part_of(value)         this rank's part of it
    like(value, other)     a whole tensor in shards, as another one lies

Each layer of the model is a group of its own. All else is the group of the scorer, which is the root: the
head is used outside of the model's own forward, and only the root's tensors are whole there and in backward.
Gradients are summed over ranks, not averaged, since every loss is divided by the counts of the whole step.
"""

import warnings
from collections.abc import Iterable

import torch
from torch import Tensor, nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import FSDPModule, fully_shard
from torch.distributed.tensor import DTensor, distribute_tensor

from truing.models.load import layers_of
from truing.models.scoring import Trunk
from truing.models.world import world


def shard(scorer: Trunk, device: torch.device) -> None:
    """Shard the weights of a scorer over all ranks, on `device`; the scorer may lie on the CPU until then.

    Adapters, and a head that trains beside them, stay whole. Parameters change their objects: an optimiser is
    made afterwards.
    """
    adapted = any("lora_" in name for name, _ in scorer.named_parameters())
    kept = [one for one in scorer.parameters() if one.requires_grad] if adapted else []
    for one in kept:
        one.data = one.data.to(device)
    mesh = init_device_mesh(device.type, (world().size,))
    for layer in layers_of(scorer.inner, "ranks.shard"):
        fully_shard(layer, mesh=mesh, ignored_params=set(kept) & set(layer.parameters()))
    fully_shard(scorer, mesh=mesh, ignored_params=set(kept))
    for module in scorer.modules():
        if isinstance(module, FSDPModule):
            # Gloo has no scaled sum; with the factor 1 and plain sums forced, every backend adds up.
            module.set_gradient_divide_factor(1.0)
            module.set_force_sum_reduction_for_comms(True)
    scorer.sharded = True
    # Nothing writes into what a scorer returns, views included.
    warnings.filterwarnings("ignore", "FSDP2-wrapped module .* returned a view tensor", UserWarning)


def settled(scorer: nn.Module) -> None:
    """Let go of tensors that an evaluation has left whole, so that the parts alone count."""
    for module in scorer.modules():
        if isinstance(module, FSDPModule):
            module.reshard()


def whole(value: Tensor) -> Tensor:
    """Return all of a tensor. All ranks call this for the same tensors in the same order."""
    return value.full_tensor() if isinstance(value, DTensor) else value


def whole_weights(scorer: Trunk) -> dict[str, Tensor]:
    """Return all parameters of a scorer whole, on the CPU of rank 0; the other ranks get none."""
    settled(scorer)
    main, found = world().main, dict[str, Tensor]()
    for name, one in scorer.named_parameters():
        value = whole(one.detach())
        if main:
            found[name] = value.cpu()
    return found


def part_of(value: Tensor) -> Tensor:
    """Return this rank's part of a tensor along its first axis; all of a tensor that is in no shards."""
    return value.to_local().detach() if isinstance(value, DTensor) else value.detach()


def is_part(value: Tensor) -> bool:
    """Tell whether a tensor lies in shards."""
    return isinstance(value, DTensor)


@torch.no_grad()
def like(value: Tensor, parameter: Tensor) -> Tensor:
    """Return a whole tensor as a parameter lies: on its device, in shards where the parameter is."""
    on = value.to(parameter.device)
    if not isinstance(parameter, DTensor):
        return on
    return distribute_tensor(on, parameter.device_mesh, parameter.placements, src_data_rank=None)


def replicated(parameters: Iterable[nn.Parameter]) -> list[nn.Parameter]:
    """Return those parameters that every rank holds whole."""
    return [one for one in parameters if not isinstance(one, DTensor)]
