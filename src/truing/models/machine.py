"""The processor of this machine: its name, its instructions, and the rate of its matrix products.

Two variables that make PyTorch act as on an older processor are respected: `ATEN_CPU_CAPABILITY` and
`ONEDNN_MAX_CPU_ISA`.
"""

import math
import os
import platform
import time
from collections.abc import Sequence

import torch

from truing.kernels.products import product

# Names as torch.cpu.get_capabilities spells them, weakest first, and as people read them.
INSTRUCTIONS = {
    "neon": "NEON",
    "sve": "SVE",
    "bf16": "Arm bf16",
    "avx2": "AVX2",
    "avx512_f": "AVX-512",
    "avx512_bf16": "AVX-512 bf16",
    "amx_bf16": "AMX bf16",
}
MULTIPLY_BF16 = frozenset({"bf16", "avx512_bf16", "amx_bf16"})
BEYOND_AVX2 = frozenset({"avx512_f", "avx512_bf16", "amx_bf16"})
BELOW_AVX512 = frozenset({"SSE41", "AVX", "AVX2", "AVX2_VNNI", "AVX2_VNNI_2"})  # of ONEDNN_MAX_CPU_ISA
WITHOUT_BF16 = BELOW_AVX512 | {"AVX512_CORE", "AVX512_CORE_VNNI"}
ROWS, WIDTH = 256, 512  # of the products timed here: 0.13 GFLOP, a few ms on two slow cores
LEAST = 3  # rounds, however long they take


def instructions() -> tuple[str, ...]:
    """List the vector instructions for matrix products here, keys of INSTRUCTIONS, weakest first."""
    found = torch.cpu.get_capabilities()
    return allowed(
        [name for name in INSTRUCTIONS if found.get(name)],
        torch.backends.cpu.get_cpu_capability(),
        os.environ.get("ONEDNN_MAX_CPU_ISA", ""),
    )


def allowed(found: list[str], aten: str, onednn: str) -> tuple[str, ...]:
    """Return those instructions found that the limits of PyTorch (`aten`) and oneDNN (`onednn`) allow.

    `aten` is the capability PyTorch reports, `onednn` the value of ONEDNN_MAX_CPU_ISA or "".
    """
    limit = onednn.upper()
    taken: frozenset[str] = frozenset()
    if limit in WITHOUT_BF16:
        taken |= MULTIPLY_BF16
    if limit in BELOW_AVX512 or (aten != "AVX512" and "avx2" in found):
        taken |= BEYOND_AVX2
    return tuple(name for name in found if name not in taken)


def cpu_line() -> str:
    """Describe the processor, its strongest instructions and the threads in use, in one line.

    >>> cpu_line()  # doctest: +SKIP
    'AMD EPYC, AVX2, 2 threads'
    """
    name = torch.cpu.get_capabilities().get("cpu_name") or platform.processor() or platform.machine()
    found = instructions()
    strongest = [INSTRUCTIONS[found[-1]]] if found else []
    threads = torch.get_num_threads()
    return ", ".join([name, *strongest, f"{threads} thread{'s' * (threads > 1)}"])


def product_rates(dtypes: Sequence[torch.dtype], seconds: float) -> list[float]:
    """Measure floating-point operations per second of matrix products on the CPU, for each of `dtypes`.

    The formats take turns for about `seconds`, so that other work on the machine slows each alike; the best
    round of each counts, and the very first round does not. Products use the same call as the model's own.
    """
    pairs = [(torch.ones(ROWS, WIDTH, dtype=one), torch.ones(WIDTH, WIDTH, dtype=one)) for one in dtypes]
    for x, weight in pairs:
        product(x, weight)
    best, rounds, begun = [math.inf] * len(pairs), 0, time.perf_counter()
    while rounds < LEAST or time.perf_counter() - begun < seconds:
        rounds += 1
        for i, (x, weight) in enumerate(pairs):
            start = time.perf_counter()
            product(x, weight)
            best[i] = min(best[i], time.perf_counter() - start)
    return [2 * ROWS * WIDTH * WIDTH / one for one in best]
