"""Products by either library are the products."""

import pytest
import torch

from truing.kernels import products

SIZES = [(1, 8, 6), (3, 32, 7), (2, 16, 300)]


@pytest.mark.parametrize("avx2", [True, False])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_product_is_that_of_torch(monkeypatch: pytest.MonkeyPatch, avx2: bool, dtype: torch.dtype):
    monkeypatch.setattr(products, "AVX2_ALONE", avx2)
    draw = torch.Generator().manual_seed(0)
    for rows, width, out in SIZES:
        x, weight = (torch.randn(n, width, generator=draw).to(dtype) for n in (rows, out))
        bias, total = (
            torch.randn(out, generator=draw).to(dtype),
            torch.randn(rows, out, generator=draw).to(dtype),
        )
        exact = x.double() @ weight.double().T
        near = {"atol": 1e-4, "rtol": 1e-4} if dtype is torch.float32 else {"atol": 0.1, "rtol": 0.05}
        torch.testing.assert_close(products.product(x, weight).double(), exact, **near)
        torch.testing.assert_close(products.product(x, weight, bias).double(), exact + bias.double(), **near)
        torch.testing.assert_close(
            products.added(total.clone(), x, weight).double(), exact + total.double(), **near
        )
