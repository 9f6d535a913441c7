import math

import torch

from truing.losses.likelihood import nll


def test_nll_of_each_token():
    # A token of probability one half costs log 2, a certain one nothing.
    losses = nll(torch.tensor([math.log(0.5), 0.0, -1e4]))
    torch.testing.assert_close(losses, torch.tensor([math.log(2), 0.0, 1e4]))
