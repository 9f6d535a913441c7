"""Random numbers by address: the same whatever else is drawn."""

import numpy as np

from truing.sampling.noise import Address, uniforms

HERE = [Address(0, 0), Address(0, 1), Address(2**63, 5)]


def test_an_address_has_its_numbers_whatever_stands_beside_it():
    whole = uniforms(7, 3, HERE, 6)
    assert np.array_equal(uniforms(7, 3, HERE[1:2], 6)[0], whole[1])
    assert np.array_equal(uniforms(7, 3, HERE, 4), whole[:, :4])


def test_every_part_of_an_address_counts():
    rows = {uniforms(seed, step, [one], 3).tobytes() for seed in (0, 1) for step in (0, 1) for one in HERE}
    assert len(rows) == 12


def test_numbers_are_uniform_and_below_one():
    drawn = uniforms(1, 1, [Address(p, 0) for p in range(200)], 100)
    assert drawn.dtype == np.float32 and drawn.min() >= 0 and drawn.max() < 1
    assert abs(drawn.mean() - 0.5) < 0.01 and abs(drawn.var() - 1 / 12) < 0.005
