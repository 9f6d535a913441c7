"""Weights in shards: every rank holds a part of each tensor, and FSDP2 of PyTorch joins them to use them.

    shard(scorer)          the weights of a scorer in shards over the ranks; adapters stay whole
    whole(value)           all of a tensor, asked for on all ranks at once
    part_of(value)         this rank's part of it
    like(value, other)     a whole tensor in shards, as another one lies
    WholeCopy(scorer)      room for all weights of a scorer, filled where they are read whole, by a sampler

Each layer of the model is a group of its own. All else is the group of the scorer, which is the root: the
head is used outside of the model's own forward, and only the root's tensors are whole there and in backward.
Gradients are summed over ranks, not averaged, since every loss is divided by the counts of the whole step.
The bytes of all collectives are counted in `world()`.
"""

import copy
import warnings
from collections.abc import Iterable, Sequence
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import FSDPModule, fully_shard, register_fsdp_forward_method
from torch.distributed.tensor import DTensor, distribute_tensor

from truing.models.load import layers_of
from truing.models.scoring import Trunk
from truing.models.world import world

# torch 2.13 gave them these names, and warns of the old ones.
_gather_one = dist.all_gather_single if hasattr(dist, "all_gather_single") else dist.all_gather_into_tensor
_scatter_one = (
    dist.reduce_scatter_single if hasattr(dist, "reduce_scatter_single") else dist.reduce_scatter_tensor
)
# Methods of a scorer that use its weights outside of `forward`.
ENTRIES = ("states", "divergence")


class _Counted:
    """The base of a collective of FSDP that counts its bytes."""

    def allocate(self, size: Sequence[Any], *, dtype: torch.dtype, device: torch.device) -> Tensor:
        return torch.empty(*size, dtype=dtype, device=device)


class _Gathering(_Counted):
    def __call__(
        self, output_tensor: Tensor, input_tensor: Tensor, group: Any, async_op: bool = False
    ) -> dist.Work | None:
        world().gathered += output_tensor.nbytes
        return _gather_one(output_tensor, input_tensor, group=group, async_op=async_op)


class _Scattering(_Counted):
    def __call__(
        self, output_tensor: Tensor, input_tensor: Tensor, group: Any, op: Any, async_op: bool = False
    ) -> dist.Work | None:
        world().reduced += input_tensor.nbytes
        return _scatter_one(output_tensor, input_tensor, op=op, group=group, async_op=async_op)


def shard(scorer: Trunk, device: torch.device) -> None:
    """Shard the weights of a scorer over all ranks, on `device`; the scorer may lie on the CPU until then.

    Adapters, and a head that trains beside them, stay whole. Parameters change their objects: an optimiser is
    made afterwards. Weights are whole within `forward` and the methods of `ENTRIES`.
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
            # They have the methods of classes that PyTorch keeps to itself.
            module.set_custom_all_gather(_Gathering())  # pyright: ignore[reportArgumentType]
            module.set_custom_reduce_scatter(_Scattering())  # pyright: ignore[reportArgumentType]
    for name in ENTRIES:
        if hasattr(scorer, name):
            register_fsdp_forward_method(scorer, name)
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
    if not isinstance(value, DTensor):
        return value
    found = value.full_tensor()
    world().gathered += found.nbytes
    return found


def whole_weights(scorer: Trunk) -> dict[str, Tensor]:
    """Return all parameters of a scorer whole, on the CPU of rank 0; the other ranks get none."""
    settled(scorer)
    main, found = world().main, dict[str, Tensor]()
    for name, one in scorer.named_parameters():
        value = whole(one.detach())
        if main:
            found[name] = value.cpu()
    return found


class WholeCopy:
    """Room for a whole copy of a scorer's model, empty until `fill`; made before the scorer is sharded.

    A sampler reads all weights in an order of its own, which no other rank knows. Adapters are not copied:
    the copy reads those of the scorer.
    """

    def __init__(self, scorer: Trunk) -> None:
        self._scorer = scorer
        rooms: dict[int, Any] = {
            id(one): nn.Parameter(torch.empty(0, dtype=one.dtype), requires_grad=one.requires_grad)
            for one in scorer.model.parameters()
        }
        self.model: Any = copy.deepcopy(scorer.model, rooms)  # which takes these for the copies

    @torch.no_grad()
    def fill(self, device: torch.device, *, here: bool = True, adapters_alone: bool = False) -> None:
        """Gather the weights as they are now, a tensor at a time, on the ranks that say `here`.

        All ranks call this. With `adapters_alone` the weights below adapters stay empty; none is gathered.
        """
        settled(self._scorer)
        rooms = dict(self.model.named_parameters())
        for name, one in self._scorer.model.named_parameters():
            if adapters_alone and is_part(one):
                continue
            value = whole(one.detach())
            if here:
                rooms[name].data = value.to(device)
        for buffer in self.model.buffers():
            buffer.data = buffer.data.to(device)

    def empty(self) -> None:
        """Let go of the weights until they are needed again."""
        for one in self.model.parameters():
            one.data = torch.empty(0, dtype=one.dtype)


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
