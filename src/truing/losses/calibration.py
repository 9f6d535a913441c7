"""How far the scores of a reward model can be trusted: pure functions of arrays, for held-out pairs.

`margin` is [B], the chosen score less the rejected one. A number that the data cannot give is None; a NaN
among the scores makes the number NaN, and a histogram an error.
"""

from typing import NamedTuple

import numpy as np
from scipy import stats


class Histogram(NamedTuple):
    counts: np.ndarray  # [bins] int64
    edges: np.ndarray  # [bins + 1] f64; a bin holds its left edge, the last one both


class Reliability(NamedTuple):
    counts: np.ndarray  # [used bins] int64
    confidence: np.ndarray  # [used bins] f64, the mean of the bin's pairs
    accuracy: np.ndarray  # [used bins] f64


def accuracy(margin: np.ndarray) -> float | None:
    """The share of pairs in the right order, a tie counting one half; of no pairs, None."""
    return float(_correct(margin).mean()) if len(margin) else None


def reliability(margin: np.ndarray, bins: int = 10) -> Reliability:
    """How certain the model is and how often it is right, by certainty: the bins of a reliability diagram.

    The model says which response wins with confidence sigmoid(|margin|); a pair falls into one of `bins`
    equal intervals of (0, 1] by it. Confidence is at least 1/2, so that only the upper half is in use; bins
    without a pair are left out.
    """
    confidence = 1 / (1 + np.exp(-np.abs(margin)))
    bin_of = np.digitize(confidence, np.linspace(0, 1, bins + 1)[1:-1], right=True)
    used, place, counts = np.unique(bin_of, return_inverse=True, return_counts=True)
    sums = [np.bincount(place, weights=of, minlength=len(used)) for of in (confidence, _correct(margin))]
    return Reliability(counts, *(of / counts for of in sums))


def expected_calibration_error(margin: np.ndarray, bins: int = 10) -> float | None:
    """Sum over bins of |B_m| / n |accuracy(B_m) - confidence(B_m)|, arXiv:1706.04599 eq. 3.

    The bins are those of `reliability`. Of no pairs it is None.
    """
    if not len(margin):
        return None
    found = reliability(margin, bins)
    return float((found.counts * np.abs(found.accuracy - found.confidence)).sum() / len(margin))


def _correct(margin: np.ndarray) -> np.ndarray:
    """[B]: 1 where the chosen response leads, 1/2 at a tie, 0 behind."""
    return (np.sign(margin) + 1) / 2


def margin_histogram(margin: np.ndarray, bins: int = 20) -> Histogram:
    """How many margins lie where, over a range symmetric about 0.

    With an even number of bins, 0 is an edge: the left half holds the pairs in the wrong order.
    """
    reach = float(np.abs(margin).max(initial=0)) or 1.0
    edges = np.histogram_bin_edges(margin, bins, (-reach, reach))
    edges = (edges - edges[::-1]) / 2  # rounding would leave 1e-16 at 0, and ties on its left
    return Histogram(*np.histogram(margin, edges))


def pearson(x: np.ndarray, y: np.ndarray) -> float | None:
    """Linear correlation of [N] with [N], as of reward with length; None where either does not vary."""
    if len(x) < 2 or np.ptp(x) == 0 or np.ptp(y) == 0:
        return None
    return float(np.corrcoef(x, y)[0, 1])


def spearman(x: np.ndarray, y: np.ndarray) -> float | None:
    """Rank correlation: Pearson's of the ranks, equal values sharing their mean rank."""
    return pearson(stats.rankdata(x), stats.rankdata(y))
