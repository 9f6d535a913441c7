"""Measures of the trust that confidence deserves: calibration, margins and correlations, as pure functions.

`margin` is [B], the score of the chosen response less that of the rejected one. A number that the data cannot
give is None. A NaN among the scores makes the number NaN, and makes a histogram raise an error.
"""

from collections.abc import Sequence
from functools import partial
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import stats  # pyright: ignore[reportMissingTypeStubs] - scipy has none

from truing.stats.intervals import Interval, bootstrap_ends

BINS = 10
DRAWS = 2_000


class Histogram(NamedTuple):
    counts: np.ndarray  # [bins] int64
    edges: np.ndarray  # [bins + 1] f64; a bin holds its left edge, the last one both


class Reliability(NamedTuple):
    counts: np.ndarray  # [used bins] int64
    confidence: np.ndarray  # [used bins] f64, the mean of the bin's pairs
    accuracy: np.ndarray  # [used bins] f64


def accuracy(margin: np.ndarray) -> float | None:
    """Return the share of pairs in the right order, a tie counting one half; None without pairs."""
    return float(_correct(margin).mean()) if len(margin) else None


def calibration_error(confidence: Sequence[float], right: Sequence[bool], seed: int = 0) -> Interval:
    """Return the expected calibration error over ten equal bins, with a percentile bootstrap over answers.

        Σ_bins (n_bin / n) |mean confidence - share right|,   confidence in [0, 1]

    Source: Guo et al. 2017, arXiv:1706.04599, equation 3. Biased upwards for few answers: read it beside
    that of another model on the same questions.
    """
    values = np.asarray(confidence, dtype=np.float64)
    flags = np.asarray(right, dtype=np.float64)
    estimate = _error(values, flags, BINS)
    low, high = bootstrap_ends((values, flags), partial(_error, bins=BINS), seed=seed, draws=DRAWS)
    return Interval(estimate, low, high, len(values))


def reliability(margin: np.ndarray, bins: int = BINS) -> Reliability:
    """Return mean confidence and share right of pairs of like confidence: the bins of a reliability diagram.

    The model predicts the better response with confidence sigmoid(|margin|), which puts the pair into one of
    `bins` equal intervals of (0, 1]. Confidence is at least 1/2, so only the upper half is in use. Bins
    without a pair are left out.
    """
    confidence = _confidence(margin)
    bin_of = _bin_of(confidence, bins)
    used, place, counts = np.unique(bin_of, return_inverse=True, return_counts=True)
    sums = [np.bincount(place, weights=of, minlength=len(used)) for of in (confidence, _correct(margin))]
    return Reliability(counts, *(of / counts for of in sums))


def expected_calibration_error(margin: np.ndarray, bins: int = BINS) -> float | None:
    """Return the calibration error of the confidence in `reliability`; None without pairs."""
    return _error(_confidence(margin), _correct(margin), bins) if len(margin) else None


def _error(confidence: NDArray[np.float64], right: NDArray[np.float64], bins: int) -> float:
    gaps = np.bincount(_bin_of(confidence, bins), weights=confidence - right, minlength=bins)
    return float(np.abs(gaps).sum() / len(confidence))


def _bin_of(confidence: NDArray[np.float64], bins: int) -> NDArray[np.intp]:
    """Number the interval ((m - 1) / bins, m / bins] of each confidence, from 0, [N]."""
    return np.digitize(confidence, np.linspace(0, 1, bins + 1)[1:-1], right=True)


def _confidence(margin: np.ndarray) -> NDArray[np.float64]:
    """Return the probability that a Bradley-Terry model gives its preferred response, [B]."""
    return 1 / (1 + np.exp(-np.abs(margin)))


def _correct(margin: np.ndarray) -> np.ndarray:
    """Return 1 where the chosen response leads, 1/2 at a tie, 0 where it trails, [B]."""
    return (np.sign(margin) + 1) / 2


def margin_histogram(margin: np.ndarray, bins: int = 20) -> Histogram:
    """Count margins per bin, over a range symmetric about 0.

    With an even number of bins, 0 is an edge: the left half holds the pairs in the wrong order.
    """
    reach = float(np.abs(margin).max(initial=0)) or 1.0
    edges = np.histogram_bin_edges(margin, bins, (-reach, reach))
    edges = (edges - edges[::-1]) / 2  # rounding would leave 1e-16 at 0, and ties on its left
    return Histogram(*np.histogram(margin, edges))


def pearson(x: np.ndarray, y: np.ndarray) -> float | None:
    """Return the linear correlation of [N] with [N]; None where either does not vary."""
    if len(x) < 2 or np.ptp(x) == 0 or np.ptp(y) == 0:
        return None
    return float(np.corrcoef(x, y)[0, 1])


def spearman(x: np.ndarray, y: np.ndarray) -> float | None:
    """Return the rank correlation: Pearson's of the ranks; equal values share their mean rank."""
    ranks = [stats.rankdata(values) for values in (x, y)]  # pyright: ignore[reportUnknownMemberType] - scipy has no types
    return pearson(*ranks)
