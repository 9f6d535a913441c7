"""Long branches without a mask: the numbers of a mask of all pairs, and memory that is linear in tokens."""

import pytest
import torch
from torch.nn.functional import scaled_dot_product_attention

from truing.kernels import attention_cpu, long_paths
from truing.kernels.attention_cpu import path_attention
from truing.kernels.long_paths import behind, windowed

HEADS, SHARED, WIDTH, SCALE = 4, 2, 8, 0.3


def drawn(m: int, n: int, seed: int = 0) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    sizes = [(HEADS, m), (HEADS // SHARED, n), (HEADS // SHARED, n)]
    return [torch.randn(1, h, t, WIDTH, generator=generator, dtype=torch.float64) for h, t in sizes]


def by_mask(query, keys, values, window=None):
    m, n = query.shape[2], keys.shape[2]
    ahead = torch.arange(n)[None, :] - torch.arange(n - m, n)[:, None]
    allowed = (ahead <= 0) & (ahead > -(window or n + 1))
    return scaled_dot_product_attention(query, keys, values, attn_mask=allowed, scale=SCALE, enable_gqa=True)


def with_gradients(attend, parts):
    parts = [part.clone().requires_grad_() for part in parts]
    mixed = attend(*parts)
    (mixed * torch.linspace(-1, 1, mixed.numel(), dtype=mixed.dtype).view_as(mixed)).sum().backward()
    return [mixed.detach(), *(part.grad for part in parts)]


@pytest.mark.parametrize(("m", "n"), [(5, 12), (40, 41), (64, 200), (100, 101)])
def test_a_branch_behind_its_prompt(m, n):
    parts = drawn(m, n)
    found = with_gradients(lambda *given: behind(*given, SCALE), parts)
    for one, other in zip(found, with_gradients(by_mask, parts), strict=True):
        assert torch.allclose(one, other, rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize(
    ("m", "n", "window"), [(150, 150, 7), (150, 150, 64), (90, 200, 70), (10, 300, 70), (1100, 1400, 700)]
)
def test_a_window_in_stretches(m, n, window):
    parts = drawn(m, n)
    found = with_gradients(lambda *given: windowed(*given, SCALE, window), parts)
    expected = with_gradients(lambda *given: by_mask(*given, window), parts)
    for one, other in zip(found, expected, strict=True):
        assert torch.allclose(one, other, rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("window", [None, 20])
def test_long_paths_take_this_way(monkeypatch, window):
    """Below the bound the numbers are those of one call with a mask, bit for bit."""
    parts = [part.float() for part in drawn(50, 120)]
    before = path_attention(*parts, SCALE, window)
    assert torch.equal(before, by_mask(*parts, window))
    monkeypatch.setattr(attention_cpu, "LONG", 50 * 120)
    assert torch.allclose(path_attention(*parts, SCALE, window), before, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("window", [None, 20])
def test_autocast_is_that_of_one_call(monkeypatch, window):
    """Rotated queries and keys are in float32 where weights are, and values in bfloat16."""
    query, keys, values = (part.float() for part in drawn(50, 120))
    parts = [query, keys, values.bfloat16()]
    with torch.autocast("cpu", torch.bfloat16):
        before = with_gradients(lambda *given: path_attention(*given, SCALE, window), parts)
        monkeypatch.setattr(attention_cpu, "LONG", 50 * 120)
        found = with_gradients(lambda *given: path_attention(*given, SCALE, window), parts)
    for one, other in zip(found, before, strict=True):
        assert one.dtype is other.dtype
        assert torch.allclose(one, other, rtol=2e-2, atol=2e-2 * float(other.abs().max()))


def test_a_wide_window_makes_one_small_mask(monkeypatch):
    """Stretches at a path's beginning take the last columns of the same mask."""
    made = []
    band = long_paths._band
    monkeypatch.setattr(long_paths, "_band", lambda *given: made.append(band(*given)) or made[-1])
    windowed(*drawn(3000, 3000), SCALE, 2048)
    (mask,) = made
    assert mask.shape == (long_paths.STRETCH, 2047 + long_paths.STRETCH)


@pytest.mark.parametrize("window", [None, 256])
def test_what_is_kept_for_backward_is_linear_in_tokens(window):
    def kept(m: int) -> int:
        sizes: dict[int, int] = {}

        def count(tensor: torch.Tensor) -> torch.Tensor:
            storage = tensor.untyped_storage()
            sizes[storage.data_ptr()] = storage.nbytes()
            return tensor

        parts = [part.float().requires_grad_() for part in drawn(m, 2 * m)]
        with torch.autograd.graph.saved_tensors_hooks(count, lambda tensor: tensor):
            path_attention(*parts, SCALE, window)
        return sum(sizes.values())

    assert attention_cpu.LONG <= 4096 * 2048
    assert kept(4096) < 2.2 * kept(2048)
