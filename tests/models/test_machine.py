"""The description of a processor, under the limits that PyTorch and oneDNN can be set to."""

import torch

from truing.models.machine import INSTRUCTIONS, allowed, cpu_line, instructions, product_rates

from ..tables import each

GENOA = ["avx2", "avx512_f", "avx512_bf16"]
SAPPHIRE = [*GENOA, "amx_bf16"]


@each(
    ("found", "aten", "onednn", "left"),
    [
        (SAPPHIRE, "AVX512", "", tuple(SAPPHIRE)),
        (SAPPHIRE, "AVX512", "avx512_core", ("avx2", "avx512_f")),
        (SAPPHIRE, "AVX512", "AVX512_CORE_AMX", tuple(SAPPHIRE)),
        (GENOA, "AVX512", "AVX2", ("avx2",)),
        (GENOA, "AVX2", "", ("avx2",)),
        (GENOA, "DEFAULT", "", ("avx2",)),
        (["avx2"], "AVX2", "", ("avx2",)),
        (["neon", "sve", "bf16"], "DEFAULT", "", ("neon", "sve", "bf16")),
    ],
)
def test_a_limit_takes_the_instructions_above_it(found, aten, onednn, left):
    assert allowed(found, aten, onednn) == left


def test_the_line_names_the_strongest_instruction_and_the_threads():
    *_, strongest, threads = cpu_line().split(", ")
    assert threads == "1 thread", "what the fixture of all tests sets"
    if found := instructions():
        assert strongest == INSTRUCTIONS[found[-1]]


def test_the_rate_of_products_is_measured_even_where_one_outlasts_the_time():
    assert all(rate > 1e8 for rate in product_rates([torch.float32, torch.bfloat16], seconds=0.0))
