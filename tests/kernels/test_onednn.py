"""The undocumented operations do what plain products do, under the PyTorch they were tried with."""

import ast
from pathlib import Path

import pytest
import torch
from torch.nn import functional

import truing
from truing.kernels import onednn

needs_onednn = pytest.mark.skipif(not onednn.AVAILABLE, reason="this build of PyTorch has no oneDNN")
DTYPES = [torch.float32, torch.bfloat16]
PRIVATE = ("torch.ops.mkldnn", "torch._C", "torch.backends.mkldnn")


def test_they_were_tried_with_this_pytorch():
    """Fails on a new release of purpose: run this file and `test_decode.py` there, then add it to TRIED."""
    assert torch.__version__.startswith(onednn.TRIED)


def test_no_other_file_calls_them():
    found = {
        path.name
        for path in Path(truing.__file__).parent.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Attribute) and ast.unparse(node).startswith(PRIVATE)
    }
    assert found == {"onednn.py"}


def numbers(dtype: torch.dtype) -> list[torch.Tensor]:
    """x [5, 24], a weight [40, 24], a bias [40] and another factor [5, 40]."""
    if dtype is torch.bfloat16 and not onednn.multiplies_bfloat16():
        pytest.skip("this processor has no instructions for bfloat16")
    generator = torch.Generator().manual_seed(0)
    sizes = ((5, 24), (40, 24), (40,), (5, 40))
    return [torch.randn(*size, generator=generator).to(dtype) for size in sizes]


def same(found: torch.Tensor, wanted: torch.Tensor) -> bool:
    """Tell whether they differ by rounding alone: sums of 24 products of about 1."""
    bound = 1e-5 if found.dtype is torch.float32 else 0.1
    return found.dtype is wanted.dtype and float((found.float() - wanted.float()).abs().max()) < bound


@needs_onednn
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("packed", [False, True])
def test_products_are_plain_ones(dtype: torch.dtype, packed: bool):
    x, weight, bias, _ = numbers(dtype)
    laid = onednn.laid_out(weight, 32) if packed else weight
    assert same(onednn.linear(x, laid), functional.linear(x, weight))
    plain = functional.linear(x, weight, bias)
    assert same(onednn.linear(x, laid, bias), plain)
    assert same(onednn.linear(x, laid, bias, "swish"), functional.silu(plain))


@needs_onednn
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("packed", [False, True])
def test_what_follows_a_product_is_part_of_it(dtype: torch.dtype, packed: bool):
    x, weight, bias, other = numbers(dtype)
    laid = onednn.laid_out(weight, 32) if packed else weight
    plain = functional.linear(x, weight, bias)
    assert same(onednn.linear_with(other.clone(), x, laid, bias), plain + other)
    assert same(onednn.linear_with(other.clone(), x, laid, bias, "mul"), plain * other)
