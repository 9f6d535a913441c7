"""The record of a red teaming, from which its files and its page are made."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from truing.config.red_team import RedTeamRecipe
from truing.core.languages import Language
from truing.redteam.attacks.types import Attack
from truing.redteam.card import RefusalCard
from truing.redteam.controls import Understanding
from truing.redteam.judging import JudgeCard
from truing.redteam.proposals import Proposal
from truing.redteam.rates import AttackItem, BenignAnswer, RatePart, SuccessRate, over_refusal
from truing.sampling.roles import ModelRole
from truing.stats.intervals import Interval

VERB = "red-team"


@dataclass(frozen=True)
class RedTeam:
    """The outcome of a red teaming. `card` is of the rules, `judge` of the judge where there is one."""

    recipe: RedTeamRecipe
    path: Path
    model: ModelRole
    attacks: Mapping[str, Attack]
    items: list[AttackItem]
    skipped: int  # prompts × attacks that a language has no form of
    understood: Mapping[tuple[str, Language], Understanding]
    benign: list[BenignAnswer]
    proposals: list[Proposal]
    card: RefusalCard
    judge: JudgeCard | None
    judge_identity: Mapping[str, Any] | None
    rates: Mapping[RatePart, SuccessRate]

    @property
    def over_refusal(self) -> Interval | None:
        return over_refusal(self.benign)

    @property
    def failures(self) -> list[AttackItem]:
        """The attacks that succeeded."""
        return [item for item in self.items if item.judged.success == 1.0]

    @property
    def unanswered(self) -> float:
        """Return the share of attacks without an answer."""
        return sum(item.talk.answer is None for item in self.items) / len(self.items)
