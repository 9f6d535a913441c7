"""Reward by a model that is asked: a judge scores every response against a rubric, from 0 to 1.

rewards:
  - {name: judge, model: qwen3:8b, base_url: "http://localhost:11434/v1", api_key_env: null}
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, TypeVar

from pydantic import Field

from truing.config.options import called, check_options, keyword_options
from truing.judges.cache import AnswerCache
from truing.judges.client import Judge
from truing.judges.endpoint import Endpoint
from truing.judges.opinions import NoVerdict
from truing.judges.pointwise import RUBRIC, TEMPLATE, Pointwise, read_template
from truing.rewards.types import Failed, Item, RewardOutcome, ScoredItem, place_of

Asking = TypeVar("Asking")


@dataclass(frozen=True)
class JudgeReward:
    """A judge as a `Reward`. Failures call it `name`."""

    name: str
    pointwise: Pointwise

    def __call__(self, items: Sequence[Item]) -> list[RewardOutcome]:
        verdicts = self.pointwise([(item.prompt, item.response) for item in items])
        return [
            Failed(f"{self.name} on {place_of(items[index], index)}: {verdict.reason}")
            if isinstance(verdict, NoVerdict)
            else ScoredItem(verdict)
            for index, verdict in enumerate(verdicts)
        ]


def judge_reward(name: str, options: Mapping[str, Any]) -> JudgeReward:
    """Make the judge that `options` of `Endpoint` and `_reward` describe. No question is asked yet."""
    return at_endpoint(name, _reward, options)


def at_endpoint(name: str, make: Callable[..., Asking], options: Mapping[str, Any]) -> Asking:
    """Call `make` with the endpoint that `options` describe, and with those of them that are its own.

    Raises ConfigError for an option of neither.
    """
    of_endpoint = keyword_options(Endpoint)
    check_options(called("reward", name), {**of_endpoint, **keyword_options(make)}, options)
    endpoint = Endpoint(**{key: value for key, value in options.items() if key in of_endpoint})
    return make(endpoint, **{key: value for key, value in options.items() if key not in of_endpoint})


def _reward(
    endpoint: Endpoint,
    *,
    rubric: Annotated[str, Field(min_length=1)] | None = None,
    scale: Annotated[Sequence[float], Field(min_length=2, max_length=2)] = (1, 10),
    template: str | None = None,
    cache: str | None = None,
) -> JudgeReward:
    """Make a judge; `rubric` is text, `template` and `cache` are files.

    Null stands for the rubric and the template in `judges/prompts`, and for no cache.
    """
    judge = Judge(endpoint, AnswerCache(Path(cache)) if cache else None)
    low, high = scale
    text = rubric or RUBRIC.read_text(encoding="utf-8")
    pointwise = Pointwise(judge, text, low, high, read_template(Path(template) if template else TEMPLATE))
    return JudgeReward(endpoint.model, pointwise)
