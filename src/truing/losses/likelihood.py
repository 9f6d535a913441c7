"""Likelihood losses: pure functions of per-token log-probabilities, one number per token."""

from torch import Tensor


def nll(logps: Tensor) -> Tensor:
    """Negative log-likelihood of each token, [N] to [N]; averaged over the tokens of a whole step."""
    return -logps


LIKELIHOOD_LOSSES = {"nll": nll}
