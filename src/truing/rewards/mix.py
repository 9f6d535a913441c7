"""Several rewards as one: a weighted sum, every part logged on its own.

    items -> parts, side by side -> MixScores -> totals, one or None per item

A response that a weighted part could not score has no total, for a sum without that part would be on another
scale. A part that returns `NotMine` for a response is left out of the response's sum. A response that no
weighted part scored has no total either. The user's own functions may wait for a server, so they run in
threads beside the rest. Rules and models run in this thread, where torch's number of threads, and so every
digit, is fixed.
"""

import statistics
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from truing.core.errors import RewardError
from truing.core.threads import in_thread
from truing.judges.rubrics import ItemRate, pass_rates
from truing.rewards.own import FunctionReward
from truing.rewards.rubric import RubricReward
from truing.rewards.types import Failed, Item, NotMine, Reward, RewardOutcome, ScoredItem


@dataclass(frozen=True)
class Weighted:
    """One reward of several."""

    title: str  # in the logs
    weight: float  # 0: only logged
    reward: Reward
    waits: bool = False  # for others more than for this machine


@dataclass(frozen=True)
class MixScores:
    """The outcomes of the parts for a batch, and the totals."""

    parts: dict[str, list[RewardOutcome]]  # by title
    totals: list[float | None]  # None: a part with a weight failed, or none scored it

    @property
    def failed(self) -> int:
        """Count the responses without a total."""
        return sum(total is None for total in self.totals)

    def metrics(self) -> dict[str, float]:
        """Return each part's mean score and standard deviation, and its counts of failures and `NotMine`.

        Of a part that judges by rubrics, also the share of items met, and how many items all responses met or
        none did.
        """
        found: dict[str, float] = {}
        for title, outcomes in self.parts.items():
            values = [one.value for one in outcomes if isinstance(one, ScoredItem)]
            if values:
                found[f"rewards/{title}/mean"] = statistics.fmean(values)
                found[f"rewards/{title}/std"] = statistics.pstdev(values)
            found[f"rewards/{title}/failures"] = float(sum(isinstance(one, Failed) for one in outcomes))
            if others := sum(isinstance(one, NotMine) for one in outcomes):
                found[f"rewards/{title}/not_mine"] = float(others)
            if rates := self.item_rates(title):
                flags = [rate.flag for rate in rates]
                found[f"rewards/{title}/met"] = sum(rate.met for rate in rates) / sum(r.of for r in rates)
                found |= {f"rewards/{title}/{flag}": float(flags.count(flag)) for flag in ("always", "never")}
        return found

    def item_rates(self, title: str) -> list[ItemRate]:
        """Count how often each item of the rubrics was met; none for a part that judges by no rubric."""
        scored = [one for one in self.parts[title] if isinstance(one, ScoredItem)]
        return pass_rates([one.verdict for one in scored if one.verdict is not None])

    def reasons(self) -> dict[str, str]:
        """Tell why responses have no total: each part's number of failures and its first reason."""
        failures = {
            title: [one.reason for one in outcomes if isinstance(one, Failed)]
            for title, outcomes in self.parts.items()
        }
        found = {title: f"{len(said)} of {title}: {said[0]}" for title, said in failures.items() if said}
        by_response = list(zip(*self.parts.values(), strict=True))
        unasked = sum(
            total is None and not any(isinstance(one, Failed) for one in outcomes)
            for total, outcomes in zip(self.totals, by_response, strict=True)
        )
        if unasked:
            found["nobody's"] = f"{unasked} that no reward with a weight scores: all of them returned None"
        return found


@dataclass(frozen=True)
class Mix:
    """Parts with distinct titles. `skip_failed` is the largest share of a batch without a total."""

    parts: Sequence[Weighted]
    skip_failed: float = 0.1

    def __post_init__(self) -> None:
        assert len({part.title for part in self.parts}) == len(self.parts) > 0

    def __call__(self, items: Sequence[Item]) -> MixScores:
        """Score a batch. Raises RewardError where more than `skip_failed` of the items get no total."""
        away = {
            part.title: in_thread(lambda part=part: part.reward(items)) for part in self.parts if part.waits
        }
        here = {part.title: part.reward(items) for part in self.parts if not part.waits}
        outcomes = {
            part.title: away[part.title].result() if part.waits else here[part.title] for part in self.parts
        }
        scores = MixScores(outcomes, [self._total(outcomes, index) for index in range(len(items))])
        if scores.failed > self.skip_failed * len(items):
            raise RewardError(
                f"{scores.failed} of {len(items)} responses have no reward, and at most "
                f"{self.skip_failed:.0%} may fail\n" + "\n".join(scores.reasons().values()),
                hint="mend the reward, or raise online.skip_failed",
            )
        return scores

    def require_rows(self, columns: Collection[str], *, rubrics: bool = False) -> None:
        """Raise ConfigError where a function of the user's own asks for a column, or a judge for a rubric.

        `columns` are those that any row has; `rubrics` tells whether any row has a rubric.
        """
        for part in self.parts:
            if isinstance(part.reward, FunctionReward):
                part.reward.require_columns(columns)
            if isinstance(part.reward, RubricReward):
                part.reward.require_rubrics(rubrics)

    def _total(self, outcomes: dict[str, list[RewardOutcome]], index: int) -> float | None:
        total, scored = 0.0, False
        for part in self.parts:
            outcome = outcomes[part.title][index]
            if isinstance(outcome, ScoredItem):
                total += part.weight * outcome.value
                scored = scored or part.weight != 0
            elif part.weight and isinstance(outcome, Failed):
                return None
        return total if scored or not any(part.weight for part in self.parts) else None
