"""Requests for one response, and the address that seeds each."""

import pytest

from truing.sampling.completions import seed_of, unfiltered
from truing.sampling.types import Sampling


@pytest.mark.parametrize(
    ("changes", "plain"),
    [
        ({"temperature": 1.0}, True),
        ({}, True),
        ({"temperature": 0.7}, False),
        ({"temperature": 1.0, "top_k": 5}, False),
        ({"temperature": 1.0, "top_p": 0.9}, False),
        ({"temperature": 1.0, "min_p": 0.1}, False),
        ({"repetition_penalty": 1.1}, False),
    ],
)
def test_raw_log_probabilities_serve_where_nothing_changes_them(changes: dict, plain: bool):
    assert unfiltered(Sampling(**changes)) is plain


def test_a_seed_is_of_its_address() -> None:
    """Every number of an address counts, in its place; the value is the same on every machine.

    That of zeros is half of what `head -c 32 /dev/zero | b2sum -l 64` prints, read as little-endian.
    """
    largest = 2**64 - 1
    addresses = [(a, b, c, d) for a in (0, 1) for b in (0, 1, 2**32) for c in (0, 1, largest) for d in (0, 1)]
    seeds = {seed_of(*address) for address in addresses}
    assert len(seeds) == len(addresses)
    assert all(0 <= seed < 2**63 for seed in seeds)
    assert seed_of(0, 0, 0, 0) == int.from_bytes(bytes.fromhex("c50d124a8aaf41a1"), "little") // 2
