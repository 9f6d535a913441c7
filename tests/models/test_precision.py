"""The format of products: by instructions and measured rates, and told if it is the slower one."""

import pytest
import torch

from truing.models import precision
from truing.models.machine import MULTIPLY_BF16, instructions
from truing.models.precision import (
    Trial,
    bf16_pays,
    has_fast_bf16,
    measured_rate,
    pick_precision,
    slow_bf16,
    slower,
)

from ..tables import each

CPU = torch.device("cpu")


def test_what_the_optimiser_moves_is_always_float32():
    for adapter in (False, True):
        low = pick_precision("bfloat16", CPU, adapter=adapter)
        assert (low.trained, low.autocast) == (torch.float32, torch.bfloat16)
        assert low.base is (torch.bfloat16 if adapter else torch.float32), "frozen weights may be rounded"
        assert low.name == "bfloat16"
    exact = pick_precision("float32", CPU, adapter=True)
    assert (exact.base, exact.autocast, exact.name) == (torch.float32, None, "float32")


@each(
    ("found", "bfloat16", "taken"),
    [
        (("avx2",), 50e9, False),
        (("avx2",), 200e9, False),  # no instruction: a fast trial is luck
        (("avx2", "avx512_f"), 200e9, False),
        (("avx2", "avx512_f", "avx512_bf16"), 200e9, True),
        (("avx2", "avx512_f", "avx512_bf16"), 90e9, False),  # emulated, or slower all the same
        (("avx2", "avx512_f", "avx512_bf16", "amx_bf16"), 800e9, True),
        (("neon", "bf16"), 200e9, True),
        (("neon",), 200e9, False),
    ],
)
def test_auto_is_bfloat16_where_an_instruction_and_the_trial_say_so(found, bfloat16, taken):
    assert bf16_pays(found, Trial(float32=100e9, bfloat16=bfloat16)) is taken


@pytest.mark.parametrize(("bfloat16", "name"), [(300e9, "bfloat16"), (50e9, "float32")])
def test_auto_asks_the_trial_of_this_machine(monkeypatch, bfloat16, name):
    monkeypatch.setattr(precision, "instructions", lambda: ("avx2", "avx512_f", "avx512_bf16"))
    monkeypatch.setattr(precision, "trial", lambda: Trial(100e9, bfloat16))
    assert pick_precision("auto", CPU, adapter=True).name == name


def test_without_an_instruction_nothing_is_measured(monkeypatch):
    def no_trial() -> Trial:
        raise AssertionError("measured for nothing")

    monkeypatch.setattr(precision, "instructions", lambda: ("avx2", "avx512_f"))
    monkeypatch.setattr(precision, "trial", no_trial)
    assert not has_fast_bf16(CPU)


def test_a_machine_limited_to_avx2_has_no_fast_bfloat16(monkeypatch):
    monkeypatch.setenv("ONEDNN_MAX_CPU_ISA", "AVX2")
    assert not MULTIPLY_BF16 & set(instructions()) or "bf16" in instructions()
    if "bf16" not in instructions():  # of Arm, which this limit does not name
        assert not has_fast_bf16(CPU)


def test_the_slower_format_is_named_with_its_factor():
    said = slower(Trial(float32=160e9, bfloat16=20e9), "AMD EPYC, AVX2, 2 threads")
    assert said is not None
    assert "bfloat16 are 8.0 times slower than in float32" in said
    assert "(AMD EPYC, AVX2, 2 threads)" in said
    assert slower(Trial(float32=100e9, bfloat16=100e9), "any") is None
    assert slow_bf16(torch.device("cuda")) is None, "a GPU is not tried"


def test_the_rate_is_that_of_a_machine_and_measured_once():
    rate = measured_rate(torch.float32)
    assert 1e8 < rate < 1e15
    assert measured_rate(torch.float32) == rate
