"""The memory of each rank in the three layouts of a run, by part.

    one rank     all on one device
    replicated   a whole copy on every rank; gradients are summed over ranks (DDP)
    sharded      a part of every weight on every rank, gathered a layer at a time (FSDP2); adapters stay whole

A step has three moments: a pass, the update, and the drawing of responses. Before the first step a reference
may be open. The peak of a run is the fullest of these moments.
"""

from dataclasses import dataclass

from truing.models.outline import GroupBytes, PassMemory

ONE, REPLICATED, SHARDED = "one rank", "replicated", "sharded"
AHEAD = 2  # layers gathered at once: the one that runs, and the next


@dataclass(frozen=True)
class Needs:
    """The bytes of a run that is not divided."""

    root: GroupBytes
    layer: GroupBytes
    whole: GroupBytes
    beside: int  # weights of another model, a reference, in every step
    opening: int  # weights of a reference that is closed before the first step
    learning: PassMemory
    sampler: int  # its cache and its copy of the weights, while it draws
    joined: int  # a whole copy of weights in shards, which a sampler needs
    process: int  # the rest of the process or of the device's context
    together: bool  # whether the update computes on all weights at once, as it does on CUDA


def memory_of(needs: Needs, layout: str, ranks: int) -> dict[str, int]:
    """Return the bytes of a rank by part, at its fullest moment."""
    return max(_moments(needs, layout, ranks), key=lambda moment: sum(moment.values()))


def _moments(needs: Needs, layout: str, ranks: int) -> list[dict[str, int]]:
    parts = ranks if layout == SHARDED else 1
    whole, learning = needs.whole, needs.learning
    weights = _shared(whole.frozen + whole.trained + needs.beside, parts) + whole.adapters
    gradients = _shared(whole.trained, parts) + whole.adapters
    always = {"weights": weights, "optimiser": 2 * gradients, "process": needs.process}
    held = min(1.0, learning.gradients / max(1, whole.trained + whole.adapters))
    passing = always | {
        "gradients": round(gradients * held),
        "activations": learning.activations,
        "working": learning.working,
        "gathered": _gathered(needs) if parts > 1 else 0,
    }
    # The update needs as much again on CUDA; a sum over ranks goes through one flat copy of the gradients.
    copied = gradients if needs.together or (ranks > 1 and layout == REPLICATED) else 0
    updating = always | {"gradients": gradients, "working": copied}
    opening = {
        "weights": weights + _shared(needs.opening, parts),
        "process": needs.process,
        "working": learning.working,
    }
    drawn = needs.sampler + (needs.joined if parts > 1 else 0)
    drawing = always | {"gradients": gradients, "sampler": drawn}
    return [passing, updating, opening, *([drawing] if drawn else [])]


def _shared(size: int, parts: int) -> int:
    return -(-size // parts)


def _gathered(needs: Needs) -> int:
    """Return the bytes of whole weights, and of their whole gradients, during a pass of a sharded model."""
    root, layer = needs.root, needs.layer
    return root.frozen + 2 * root.trained + AHEAD * (layer.frozen + layer.trained) + layer.trained
