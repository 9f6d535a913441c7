"""Several judges of the same things: one opinion of all of them, and how far they agree.

    panel([[1.0, 0.5], [1.0, 0.0], [0.0, 0.0]], "majority") -> [1.0, 0.0]

An opinion is a number from 0 to 1. A majority is of more than half of the judges that vote, each taken as for
a, for b or for a tie; without one the opinion is a half. A judge without a verdict does not vote; where fewer
than half of the judges vote, there is no opinion.
"""

from collections import Counter
from collections.abc import Sequence
from typing import Literal

from truing.core.errors import ConfigError
from truing.core.messages import message
from truing.judges.opinions import NoVerdict
from truing.stats.agreement import krippendorff_alpha
from truing.stats.ratings import RaterAgreement, RatingScale

PanelRule = Literal["majority", "mean"]
RULES: tuple[PanelRule, ...] = ("majority", "mean")
JudgeOpinions = Sequence[Sequence[float | NoVerdict]]  # [judge][item]


def panel(opinions: JudgeOpinions, rule: PanelRule = "mean") -> list[float | NoVerdict]:
    """Return one opinion an item. Raises ConfigError for another rule and for a panel of nobody."""
    if rule not in RULES:
        raise ConfigError(message("the rule of a panel is {rule!r}, expected majority or mean", rule=rule))
    if not opinions:
        raise ConfigError(message("a panel needs a judge"))
    return [_joint(item, rule) for item in zip(*opinions, strict=True)]


def _joint(opinions: Sequence[float | NoVerdict], rule: PanelRule) -> float | NoVerdict:
    if len(opinions) == 1:
        return opinions[0]
    votes = [each for each in opinions if not isinstance(each, NoVerdict)]
    if 2 * len(votes) < len(opinions) or not votes:
        reason = next(each.reason for each in opinions if isinstance(each, NoVerdict))
        told = "{missing} of {count} judges have no verdict; the first: {reason}"
        return NoVerdict(
            message(told, missing=len(opinions) - len(votes), count=len(opinions), reason=reason)
        )
    if rule == "mean":
        return sum(votes) / len(votes)
    sides = Counter(map(side_of, votes))
    side, most = sides.most_common(1)[0]
    return side if 2 * most > len(votes) else 0.5


def side_of(opinion: float) -> float:
    """Return the side that an opinion from 0 to 1 takes: 1 for a, 0 for b, ½ for a tie."""
    return 0.5 if opinion == 0.5 else float(opinion > 0.5)


def panel_agreement(
    opinions: JudgeOpinions, scale: RatingScale = "ordinal", clusters: Sequence[object] | None = None
) -> RaterAgreement | None:
    """Return Krippendorff's alpha of the judges; None where no item has two opinions."""
    items = [
        [None if isinstance(each, NoVerdict) else each for each in item]
        for item in zip(*opinions, strict=True)
    ]
    if not any(sum(each is not None for each in item) > 1 for item in items):
        return None
    return krippendorff_alpha(items, None if clusters is None else list(map(hash, clusters)), scale=scale)
