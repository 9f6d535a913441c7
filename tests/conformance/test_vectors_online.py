"""The shared vectors of reinforcement learning, worked out in float64 from the papers' formulas."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from truing.losses import credit, kl
from truing.losses.policy_gradient import clipped_surrogate, clipped_value

VECTORS = Path(__file__).parents[3] / "shared/conformance/vectors.json"

pytestmark = pytest.mark.skipif(not VECTORS.is_file(), reason=f"the shared numbers are not here: {VECTORS}")


def read(name: str) -> dict[str, Any]:
    """One entry, its lists as float64 tensors."""
    entry = json.loads(VECTORS.read_text())[name]
    return {k: torch.tensor(x, dtype=torch.float64) if isinstance(x, list) else x for k, x in entry.items()}


def agrees(found: Tensor, expected: Tensor) -> None:
    torch.testing.assert_close(found, expected, atol=1e-6, rtol=0)


def test_gae():
    v = read("gae")
    one_response = torch.zeros(len(v["rewards"]), dtype=torch.long)
    found = credit.gae(v["rewards"], v["values"], one_response, gamma=v["gamma"], lam=v["lam"])
    agrees(found, v["advantages"])
    agrees(found + v["values"], v["returns"])


def test_whiten():
    v = read("whiten")
    agrees(credit.whiten(v["x"]), v["mean_zero"])
    agrees(credit.whiten(v["x"], keep_mean=True), v["keep_mean"])


def test_clipped_surrogate():
    v = read("clipped_surrogate")
    given = v["logps"], v["old_logps"], v["advantages"]
    agrees(clipped_surrogate(*given, low=v["clip"], high=v["clip"]), v["per_token"])


def test_clipped_value():
    v = read("clipped_value")
    agrees(clipped_value(v["values"], v["old_values"], v["returns"], value_clip=v["clip"]), v["per_token"])


@pytest.mark.parametrize("estimator", [kl.k1, kl.k2, kl.k3])
def test_kl(estimator: Callable[[Tensor, Tensor], Tensor]):
    v = read("kl")
    agrees(estimator(v["logps"], v["ref_logps"]), v[estimator.__name__])


@pytest.mark.parametrize(
    ("name", "function"),
    [
        ("group_standardised", credit.group_standardised),
        ("group_centred", credit.group_centred),
        ("leave_one_out", credit.leave_one_out),
        ("reinforce_pp_baseline", credit.reinforce_pp_baseline),
    ],
)
def test_credits(name: str, function):
    v = read(name)
    rewards = v["rewards"]
    group = torch.arange(len(rewards)).repeat_interleave(rewards.shape[1])
    hyper = {"eps": v["eps"]} if "eps" in v else {}
    agrees(function(rewards.flatten(), group, **hyper), v["advantages"].flatten())
