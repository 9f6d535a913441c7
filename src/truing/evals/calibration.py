"""Whether a model's confidence is the share of answers it gets right."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from truing.evals.intervals import Interval

BINS = 10
DRAWS = 2_000


def calibration_error(confidence: Sequence[float], right: Sequence[bool], seed: int = 0) -> Interval:
    """Expected calibration error over ten bins of equal width, with a percentile bootstrap over answers.

        Σ_bins (n_bin / n) |mean confidence - share right|,   confidence in [0, 1]

    Source: Guo et al. 2017, arXiv:1706.04599, equation 3. Biased upwards for few answers: read it beside
    that of another model on the same questions.
    """
    values = np.asarray(confidence, dtype=np.float64)
    flags = np.asarray(right, dtype=np.float64)
    rng = np.random.default_rng(seed)
    draws = rng.integers(len(values), size=(DRAWS, len(values)))
    errors = [_error(values[draw], flags[draw]) for draw in draws]
    low, high = np.quantile(errors, [0.025, 0.975])
    return Interval(_error(values, flags), float(low), float(high), len(values))


def _error(confidence: NDArray[np.float64], right: NDArray[np.float64]) -> float:
    bins = np.minimum((confidence * BINS).astype(int), BINS - 1)
    gaps = np.bincount(bins, weights=confidence - right, minlength=BINS)
    return float(np.abs(gaps).sum() / len(confidence))
