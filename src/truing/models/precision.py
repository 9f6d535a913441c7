"""The number formats of a run: float32, or bfloat16 where matrix products in it are faster.

has_fast_bf16   the choice of `dtype: auto`: by instruction, then by a trial of about 20 ms
pick_precision  the formats of weights and products for a recipe's `dtype`
slow_bf16       the warning for a user who asks for bfloat16 where it is slower
measured_rate   the speed of products on this machine, to plan with
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import torch

from truing.core.messages import Sentence, message
from truing.models.machine import MULTIPLY_BF16, cpu_line, instructions, product_rates

TRIAL, PLAN = 0.02, 0.05  # seconds of `trial` and of `measured_rate`


@dataclass(frozen=True)
class Precision:
    """The number formats of weights and of products."""

    base: torch.dtype  # of frozen weights
    trained: torch.dtype  # of weights the optimiser moves: always float32
    autocast: torch.dtype | None  # of matrix products, None for the weights' own

    @property
    def name(self) -> str:
        """Return the format of matrix products, `float32` or `bfloat16`, as a recipe's `dtype` spells it."""
        return str(self.autocast or self.base).removeprefix("torch.")


@dataclass(frozen=True)
class Trial:
    """Measured speeds of matrix products on this CPU, in floating-point operations per second."""

    float32: float
    bfloat16: float

    @property
    def slowdown(self) -> float:
        """Count how many times slower products in bfloat16 are; below 1 they are faster."""
        return self.float32 / self.bfloat16


@cache
def trial() -> Trial:
    """Measure both formats, in about 20 ms where bfloat16 is fast; once a process."""
    return Trial(*product_rates([torch.float32, torch.bfloat16], TRIAL))


def bf16_pays(found: Sequence[str], measured: Trial) -> bool:
    """Tell whether bfloat16 pays: an instruction multiplies in it, and its products were faster."""
    return bool(MULTIPLY_BF16 & set(found)) and measured.slowdown < 1


def has_fast_bf16(device: torch.device) -> bool:
    """Tell whether matrix products in bfloat16 run in hardware and faster than in float32."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    if device.type != "cpu" or not MULTIPLY_BF16 & set(instructions()):
        return False
    return bf16_pays(instructions(), trial())


def slow_bf16(device: torch.device) -> Sentence | None:
    """Return a warning of slower bfloat16; None where bfloat16 is not slower, or the device no CPU."""
    return slower(trial(), cpu_line()) if device.type == "cpu" else None


def slower(measured: Trial, processor: str) -> Sentence | None:
    """Make the sentence of `slow_bf16` from a measured trial."""
    if measured.slowdown <= 1:
        return None
    said = (
        "products in bfloat16 are {times:.1f} times slower than in float32 on this CPU ({processor});"
        " `dtype: auto` takes the faster one"
    )
    return message(said, times=measured.slowdown, processor=processor)


def pick_precision(asked: str, device: torch.device, *, adapter: bool) -> Precision:
    """Pick the formats for a `dtype`: `auto`, `float32` or `bfloat16`. Trained weights stay in float32."""
    low = has_fast_bf16(device) if asked == "auto" else asked == "bfloat16"
    if not low:
        return Precision(torch.float32, torch.float32, None)
    return Precision(torch.bfloat16 if adapter else torch.float32, torch.float32, torch.bfloat16)


@cache
def measured_rate(dtype: torch.dtype) -> float:
    """Measure matrix products on this CPU in `dtype`, in operations per second; takes about 50 ms.

    It is measured once per process and format. A training step reaches about half of this rate.
    """
    (rate,) = product_rates([dtype], PLAN)
    return rate
