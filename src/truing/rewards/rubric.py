"""Reward by the rubric of each row: a judge says which items a response meets, in one request a response.

rewards:
  - {name: rubric, model: qwen3:8b, base_url: "http://localhost:11434/v1", api_key_env: null}
rows:
  {"prompt": "…", "rubric": [{"text": "names the year", "weight": 2, "must": true}, "is short"]}
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from truing.core.errors import ConfigError
from truing.core.languages import Language
from truing.judges.cache import AnswerCache
from truing.judges.client import Judge
from truing.judges.endpoint import Endpoint
from truing.judges.opinions import NoVerdict
from truing.judges.rubrics import RubricJudge, RubricVerdict
from truing.rewards.judged import at_endpoint
from truing.rewards.types import Failed, Item, NotMine, RewardOutcome, ScoredItem, place_of


@dataclass(frozen=True)
class RubricReward:
    """A judge of rubrics as a `Reward`; rows without a rubric are not its own. Failures call it `name`."""

    name: str
    judge: RubricJudge

    def __call__(self, items: Sequence[Item]) -> list[RewardOutcome]:
        own = [index for index, item in enumerate(items) if item.rubric]
        verdicts = self.judge([(items[i].prompt, items[i].response, items[i].rubric) for i in own])
        found: list[RewardOutcome] = [NotMine("its row has no rubric") for _ in items]
        for index, verdict in zip(own, verdicts, strict=True):
            found[index] = self._outcome(verdict, place_of(items[index], index))
        return found

    def _outcome(self, verdict: RubricVerdict | NoVerdict, place: str) -> RewardOutcome:
        score = verdict if isinstance(verdict, NoVerdict) else verdict.score
        if isinstance(score, NoVerdict):
            return Failed(f"{self.name} on {place}: {score.reason}")
        return ScoredItem(score, None if isinstance(verdict, NoVerdict) else verdict)

    def require_rubrics(self, rubrics: bool) -> None:
        """Raise ConfigError where no row has a rubric."""
        if not rubrics:
            raise ConfigError(
                "the reward `rubric` judges by the rubric of each row, and no row has one",
                hint='give rows a rubric: [{"text": "names the year", "weight": 2, "must": true}]',
            )


def rubric_reward(name: str, options: Mapping[str, Any]) -> RubricReward:
    """Make the judge that `options` of `Endpoint` and `_reward` describe. No question is asked yet."""
    return at_endpoint(name, _reward, options)


def _reward(endpoint: Endpoint, *, cache: str | None = None, language: Language = "en") -> RubricReward:
    """Make a judge that is asked in `language`; `cache` is a file, null keeps no answers."""
    judge = Judge(endpoint, AnswerCache(Path(cache)) if cache else None)
    return RubricReward(endpoint.model, RubricJudge(judge, language))
