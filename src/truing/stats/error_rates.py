"""Rates that a classifier with errors measured, corrected for these errors, with their uncertainty.

A classifier that finds a share `sensitivity` of the true cases, and clears a share `specificity` of the
others, reports a rate that is off by more than chance. Labelled rows say by how much:

    errors = ErrorCounts.of(predicted, true)
    rates = corrected_rates({"raw": (flags, prompts)}, errors)
    rates["raw"].corrected                   an Interval, or None where the classifier cannot tell

All groups of one call share the draws of the classifier's error, for it is one classifier that judged them
all: `corrected_difference` of two groups then lets the shared error cancel out as far as it does.
"""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np

from truing.core.errors import DataError
from truing.stats.clusters import cluster_codes, clustered_rate
from truing.stats.intervals import CHUNK, Floats, Interval, check_level, wilson

GroupName = TypeVar("GroupName", bound=Hashable)


@dataclass(frozen=True, slots=True)
class ErrorCounts:
    """The counts of a classifier's verdicts on labelled rows."""

    true_positives: int
    false_positives: int
    true_negatives: int
    false_negatives: int

    def __post_init__(self) -> None:
        counts = (self.true_positives, self.false_positives, self.true_negatives, self.false_negatives)
        if min(counts) < 0 or not sum(counts):
            raise DataError(
                f"{counts} are no counts of labelled rows",
                hint="give counts of 0 or more, and at least one row",
            )

    @classmethod
    def of(cls, predicted: Sequence[bool], true: Sequence[bool]) -> "ErrorCounts":
        """Count verdicts beside labels; place i of both is one row. Raises DataError for unequal lengths."""
        if len(predicted) != len(true):
            raise DataError(
                f"{len(predicted)} verdicts but {len(true)} labels", hint="give one of each a row"
            )
        pairs = [(bool(verdict), bool(label)) for verdict, label in zip(predicted, true, strict=True)]
        return cls(
            *(pairs.count(one) for one in ((True, True), (True, False), (False, False), (False, True)))
        )

    @property
    def positives(self) -> int:
        """The rows that are labelled as cases."""
        return self.true_positives + self.false_negatives

    @property
    def negatives(self) -> int:
        return self.true_negatives + self.false_positives

    def accuracy(self, level: float = 0.95) -> Interval:
        """Return the share of rows whose verdict is the label, with its Wilson interval."""
        right = self.true_positives + self.true_negatives
        return wilson(right, self.positives + self.negatives, level)

    def sensitivity(self, level: float = 0.95) -> Interval | None:
        """Return the share of cases that are found, with its Wilson interval; None without cases."""
        return wilson(self.true_positives, self.positives, level) if self.positives else None

    def specificity(self, level: float = 0.95) -> Interval | None:
        """Return the share of the others that are cleared, with its Wilson interval; None without others."""
        return wilson(self.true_negatives, self.negatives, level) if self.negatives else None


@dataclass(frozen=True, slots=True)
class CorrectedRate:
    """A rate as the classifier reports it, and the rate that its errors leave likely."""

    raw: Interval
    corrected: Interval | None  # None where sensitivity + specificity - 1 is not clearly above 0
    draws: Floats = field(repr=False, compare=False)  # [draws] f64 of the corrected rate; empty where None


def rogan_gladen(rate: float, sensitivity: float, specificity: float) -> float:
    """Return the true rate behind a reported one, clipped to 0 .. 1.

        (rate + specificity - 1) / (sensitivity + specificity - 1)

    Raises DataError where sensitivity + specificity is not above 1: verdicts then say nothing.
    Source: Rogan & Gladen 1978, American Journal of Epidemiology 107:71.
    """
    if sensitivity + specificity <= 1:
        raise DataError(
            f"a sensitivity of {sensitivity:g} and a specificity of {specificity:g} add up to 1 or less",
            hint="such a classifier does no better than chance; measure with another",
        )
    return float(_corrected(np.array(rate), np.array(sensitivity), np.array(specificity)))


def corrected_rates(
    groups: Mapping[GroupName, tuple[Sequence[float], Sequence[Hashable]]],
    errors: ErrorCounts,
    *,
    seed: int = 0,
    level: float = 0.95,
    draws: int = 4000,
) -> dict[GroupName, CorrectedRate]:
    """Correct the rate of each group; a group is the verdicts on its answers, 0 to 1, and their prompts.

    The interval is that of a two-stage bootstrap, fixed by its seed. A draw weights the labelled rows anew,
    which gives one sensitivity and one specificity for all groups, and the prompts anew, with all answers of
    a prompt together and one weight for a prompt in whichever groups it stands. Weights are Bayesian
    (Rubin 1981, Annals of Statistics 9:130), and half a row of either kind joins each rate (Jeffreys), so a
    rate of 0 in ten answers is not taken for certain. With one verdict of 0 or 1 a prompt a drawn rate is
    Beta(s + ½, n - s + ½).

    A rate is undetermined where the lower end of the interval of sensitivity + specificity - 1 is not above
    0, or where no labelled row is a case, or none is another: `corrected` is then None.
    """
    check_level(level)
    if draws < 1:
        raise ValueError(f"draws must be at least 1, not {draws}")
    rng = np.random.default_rng(seed)
    tail = (1 - level) / 2
    found = rng.beta(errors.true_positives + 0.5, errors.false_negatives + 0.5, draws)
    cleared = rng.beta(errors.true_negatives + 0.5, errors.false_positives + 0.5, draws)
    informed = bool(errors.positives and errors.negatives) and np.quantile(found + cleared - 1, tail) > 0
    raw = {name: clustered_rate(flags, prompts, level=level) for name, (flags, prompts) in groups.items()}
    if not informed:
        return {name: CorrectedRate(rate, None, np.empty(0)) for name, rate in raw.items()}
    means = errors.true_positives / errors.positives, errors.true_negatives / errors.negatives
    rates: dict[GroupName, CorrectedRate] = {}
    for name, drawn in _rate_draws(groups, rng, draws).items():
        true = _corrected(drawn, found, cleared)
        low, high = np.quantile(true, [tail, 1 - tail]).tolist()
        estimate = rogan_gladen(raw[name].estimate, *means)
        interval = Interval(estimate, min(low, estimate), max(high, estimate), raw[name].n)
        rates[name] = CorrectedRate(raw[name], interval, true)
    return rates


def corrected_difference(
    before: CorrectedRate, after: CorrectedRate, *, level: float = 0.95
) -> Interval | None:
    """Return after - before of two groups of one call of `corrected_rates`; None where undetermined.

    Each draw has one classifier, and one weight for a prompt that stands in both groups.
    """
    check_level(level)
    if len(before.draws) != len(after.draws):
        raise DataError("the two rates come from different calls", hint="give both groups to one call")
    if before.corrected is None or after.corrected is None:
        return None
    estimate = after.corrected.estimate - before.corrected.estimate
    low, high = np.quantile(after.draws - before.draws, [(1 - level) / 2, (1 + level) / 2]).tolist()
    return Interval(estimate, min(low, estimate), max(high, estimate), after.corrected.n)


def _corrected(rate: Floats, sensitivity: Floats, specificity: Floats) -> Floats:
    """Return Rogan and Gladen's rate in 0 .. 1; draws with a useless classifier say 0 or 1 by their sign."""
    lead = sensitivity + specificity - 1
    return np.clip((rate + specificity - 1) / np.where(lead > 0, lead, 1e-12), 0.0, 1.0)


def _rate_draws(
    groups: Mapping[GroupName, tuple[Sequence[float], Sequence[Hashable]]],
    rng: np.random.Generator,
    draws: int,
) -> dict[GroupName, Floats]:
    """Draw the reported rate of each group, [draws] f64, with one weight a prompt over all groups."""
    everyone = [prompt for _, prompts in groups.values() for prompt in prompts]
    codes, k = cluster_codes(everyone, len(everyone))
    tables: dict[GroupName, tuple[Floats, Floats]] = {}
    start = 0
    for name, (flags, prompts) in groups.items():
        code, start = codes[start : start + len(prompts)], start + len(prompts)
        sums = np.bincount(code, weights=np.asarray(flags, dtype=np.float64), minlength=k)
        tables[name] = sums.astype(np.float64), np.bincount(code, minlength=k).astype(np.float64)
    parts: dict[GroupName, list[Floats]] = {name: [] for name in groups}
    rows = max(1, CHUNK // k)
    for start in range(0, draws, rows):
        size = min(rows, draws - start)
        weights = rng.standard_exponential((size, k))
        for name, (sums, sizes) in tables.items():
            half = rng.standard_gamma(0.5, (size, 2)) * (sizes.sum() / np.count_nonzero(sizes))
            drawn = (weights @ sums + half[:, 0]) / (weights @ sizes + half.sum(1))
            parts[name].append(drawn)
    return {name: np.concatenate(drawn) for name, drawn in parts.items()}
