"""The weight of the KL stays, or follows what was measured, in numbers worked out by hand."""

import pytest

from truing.core.errors import ConfigError
from truing.training.kl_weight import KlController


def test_the_weight_stays_without_a_target():
    controller = KlController(0.1)
    controller.update(1e6, 1000)
    assert controller.weight == 0.1


def test_the_weight_follows_the_kl():
    controller = KlController(0.1, target=6.0, horizon=1000)
    controller.update(6.6, 100)  # 10 % too much, a tenth of the horizon: 1 % up
    assert controller.weight == pytest.approx(0.1 * 1.01)
    controller.update(60.0, 100)  # taken as 20 % too much
    assert controller.weight == pytest.approx(0.1 * 1.01 * 1.02)
    controller.update(0.0, 50)  # taken as 20 % too little, half as many responses
    assert controller.weight == pytest.approx(0.1 * 1.01 * 1.02 * 0.99)


def test_a_restored_controller_goes_on_as_the_one_it_was():
    one, other = (KlController(0.1, target=6.0, horizon=1000) for _ in range(2))
    one.update(9.0, 64)
    other.restore(one.state())
    for controller in (one, other):
        controller.update(2.0, 64)
    assert one == other


@pytest.mark.parametrize("hyper", [{"target": -1.0}, {"horizon": 0.0}])
def test_a_controller_that_cannot_steer(hyper: dict[str, float]):
    with pytest.raises(ConfigError, match="expected a target of 0"):
        KlController(**hyper)
