"""Kinds of GPUs to plan for: memory, peak rate in bfloat16 and bandwidth, from their vendor's data sheets.

Peaks are those of dense products: the sheets print twice as much for sparse ones. A GB is 10⁹ bytes, which is
less than the cards report. To add a kind, add a row.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from truing.core.errors import UsageError
from truing.core.messages import message


@dataclass(frozen=True)
class Gpu:
    """A kind of GPU as its data sheet describes it."""

    name: str
    memory: float  # bytes
    bf16: float  # operations per second
    bandwidth: float  # bytes per second of its memory
    sheet: str  # the vendor's document


_ROWS = (
    ("B200", 180, 2250, 7.7, "NVIDIA HGX B200 data sheet"),
    ("H200", 141, 989, 4.8, "NVIDIA H200 data sheet, SXM"),
    ("H100", 80, 989, 3.35, "NVIDIA H100 data sheet, SXM"),
    ("H100-PCIe", 80, 756, 2.0, "NVIDIA H100 data sheet, PCIe"),
    ("H100-NVL", 94, 835, 3.9, "NVIDIA H100 data sheet, NVL"),
    ("A100", 80, 312, 2.039, "NVIDIA A100 data sheet, 80 GB SXM"),
    ("A100-40", 40, 312, 1.555, "NVIDIA A100 data sheet, 40 GB"),
    ("L40S", 48, 362, 0.864, "NVIDIA L40S data sheet"),
    ("L4", 24, 121, 0.3, "NVIDIA L4 data sheet"),
    ("A10", 24, 125, 0.6, "NVIDIA A10 data sheet"),
    ("RTX4090", 24, 165, 1.008, "NVIDIA Ada architecture white paper"),
)
GPUS = {
    name: Gpu(name, gigabytes * 1e9, teraflops * 1e12, terabytes * 1e12, sheet)
    for name, gigabytes, teraflops, terabytes, sheet in _ROWS
}
_ASKED = re.compile(r"(?:(\d+)\s*[x×*]\s*)?([\w-]+)", re.IGNORECASE)


def read_gpus(asked: str) -> tuple[int, Gpu]:
    """Read `8xH200`, or `H200` for one. Raises UsageError that lists the known kinds."""
    match = _ASKED.fullmatch(asked.strip())
    kinds = {name.lower(): gpu for name, gpu in GPUS.items()}
    gpu = kinds.get(match[2].lower()) if match else None
    count = int(match[1] or 1) if match else 0
    if gpu is None or count < 1:
        raise UsageError(
            message("--gpus {asked}: expected a number and a kind, such as 8xH200", asked=asked),
            hint=message("known kinds: {names}", names=", ".join(GPUS)),
        )
    return count, gpu


def named_gpu(device_name: str) -> Gpu | None:
    """Find the kind of a device by the name that its driver reports; None for an unknown one.

    A kind must be a word of the name, or two of them: an A10G is no A10, an L40 no L4, and a GH200 no H200.
    """
    words = re.findall(r"[a-z0-9]+", device_name.lower())
    words += [one + other for one, other in pairwise(words)]
    found = [gpu for name, gpu in GPUS.items() if name.split("-")[0].lower() in words]
    exact = [gpu for gpu in found if all(_is_said(part.lower(), words) for part in gpu.name.split("-"))]
    return max(exact or found, key=lambda gpu: len(gpu.name), default=None)


def _is_said(part: str, words: Sequence[str]) -> bool:
    return part in words or (part.isdigit() and f"{part}gb" in words)
