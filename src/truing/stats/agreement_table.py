"""All coefficients of agreement of one question in one table, each with its interval or why it has none.

    rows = agreement_table([{"ann": "first", "bob": "tie"}, {"ann": "second"}], labels=CHOICES)
    [(row.name, row.interval, row.undefined) for row in rows]

To add a coefficient, give it a line in `agreement_table` and its words in `pipelines/votes/tables.py`.
"""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, TypedDict

from truing.core.messages import Sentence, message
from truing.stats.agreement import cohen_kappa, krippendorff_alpha
from truing.stats.chance_corrected import fleiss_kappa, gwet_ac
from truing.stats.intervals import Interval
from truing.stats.ratings import RaterAgreement, RatingScale

OF_NAMES = ("equal", "cohen_kappa", "fleiss_kappa", "alpha_nominal", "ac1")
OF_SCALES = (*OF_NAMES[:-1], "alpha_ordinal", "alpha_interval", "ac1", "ac2")
DRAWS = 1000


class _Resampled(TypedDict):
    seed: int
    draws: int


@dataclass(frozen=True, slots=True)
class AgreementRow:
    """One coefficient; `interval` is None where it is undefined, and `undefined` says why."""

    name: str  # one of OF_SCALES
    interval: Interval | None
    undefined: Sentence | None = None


def agreement_table(
    given: Sequence[Mapping[Any, Any]],
    clusters: Sequence[Hashable] | None = None,
    *,
    labels: Sequence[Any],
    scale: RatingScale = "nominal",
    seed: int = 0,
    draws: int = DRAWS,
) -> list[AgreementRow]:
    """Return the rows that fit the scale; `given` has for each item what each rater said of it.

    Raw agreement, Cohen's kappa, Fleiss' kappa, nominal alpha and AC1 take ratings as names. A scale with an
    order adds the two other alphas and AC2. Cohen's kappa compares two raters, on the items of both.
    """
    width = max((len(one) for one in given), default=0)
    if width < 2:
        said = message("no item has the votes of two people")
        return [AgreementRow(name, None, said) for name in (OF_NAMES if scale == "nominal" else OF_SCALES)]
    # Who gave a rating matters to Cohen's kappa alone, so rows are as wide as the fullest item.
    rows = [[*one.values(), *[None] * (width - len(one))] for one in given]
    how: _Resampled = {"seed": seed, "draws": draws}
    alpha = partial(krippendorff_alpha, rows, clusters, **how)
    nominal = alpha()
    found = [
        AgreementRow("equal", nominal.raw),
        _cohen(given, clusters, seed, draws),
        _row("fleiss_kappa", fleiss_kappa(rows, clusters, **how)),
        _row("alpha_nominal", nominal),
    ]
    if scale != "nominal":
        found += [
            _row("alpha_ordinal", alpha(scale="ordinal")),
            _row("alpha_interval", alpha(scale="interval")),
        ]
    found.append(_row("ac1", gwet_ac(rows, clusters, labels=labels, **how)))
    if scale != "nominal":
        found.append(_row("ac2", gwet_ac(rows, clusters, labels=labels, scale=scale, **how)))
    return found


def _row(name: str, found: RaterAgreement) -> AgreementRow:
    return AgreementRow(name, None if found.undefined else found.coefficient, found.undefined)


def _cohen(
    given: Sequence[Mapping[Any, Any]], clusters: Sequence[Hashable] | None, seed: int, draws: int
) -> AgreementRow:
    """Return Cohen's kappa of the two raters there are; undefined for any other number of them."""
    raters = list(dict.fromkeys(rater for one in given for rater in one))
    if len(raters) != 2:
        said = message("Cohen's kappa compares two people, and {n} voted", n=len(raters))
        return AgreementRow("cohen_kappa", None, said)
    both = [i for i, one in enumerate(given) if len(one) == 2]
    first, second = ([given[i][rater] for i in both] for rater in raters)
    groups = None if clusters is None else [clusters[i] for i in both]
    found = cohen_kappa(first, second, groups, seed=seed, draws=draws)
    return _row("cohen_kappa", found)
