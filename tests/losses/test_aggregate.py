"""Three responses of one, two and four tokens, the first two to one prompt; losses that add up by hand."""

import pytest
import torch

from truing.losses.aggregate import AGGREGATIONS

RESPONSE = torch.tensor([0, 1, 1, 2, 2, 2, 2])
GROUP = torch.tensor([0, 0, 1])
LOSSES = torch.tensor([6.0, 1.0, 5.0, 2.0, 0.0, 4.0, 6.0])  # sums 6, 6, 12, means 6, 3, 3
UNITS = {"token": 7, "response": 3, "prompt": 2}

GIVEN = {"group": GROUP, "max_length": 8}
TAKES = {"fixed_length": ("max_length",), "prompt_mean": ("group",)}


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("response_mean", (6 + 3 + 3) / 3),
        ("token_mean", 24 / 7),
        ("response_sum", 24 / 3),
        ("fixed_length", 24 / 3 / 8),
        ("prompt_mean", (12 / 3 + 12 / 4) / 2),
    ],
)
def test_the_loss_of_a_step(name: str, expected: float):
    weigh, unit = AGGREGATIONS[name]
    weights = weigh(RESPONSE, **{key: GIVEN[key] for key in TAKES.get(name, ())})
    assert weights.shape == RESPONSE.shape and weights.dtype is torch.float32
    assert ((weights * LOSSES).sum() / UNITS[unit]).item() == pytest.approx(expected)
