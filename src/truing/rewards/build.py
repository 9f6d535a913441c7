"""From the recipe's `rewards` to a `Mix`, with every name and option checked before anything is trained."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from truing.config.imports import is_import
from truing.config.rewards import ASKED, JUDGE, MODEL, RUBRIC, RewardPart
from truing.config.tables import bound
from truing.core.errors import ConfigError
from truing.rewards.judged import judge_reward
from truing.rewards.mix import Mix, Weighted
from truing.rewards.model import Host, model_reward
from truing.rewards.names import require_reward
from truing.rewards.own import own_reward
from truing.rewards.rubric import rubric_reward
from truing.rewards.rules import RULES
from truing.rewards.types import Failed, Item, Reward, RewardOutcome, ScoredItem


def build_mix(
    parts: Sequence[RewardPart],
    *,
    host: Host | None = None,
    say: Callable[[str], None] = lambda line: None,
    skip_failed: float = 0.1,
) -> Mix:
    """Build the weighted sum of the rewards that `parts` name. Raises ConfigError; opens reward models last.

    `host` is the policy: reward models may share its backbone, and `say` is told where they read differently.
    """
    if not parts:
        raise ConfigError("rewards is empty: nothing scores the responses", hint="rewards: [{name: numeric}]")
    titles = [part.title for part in parts]
    twice = next((title for title in titles if titles.count(title) > 1), None)
    if twice:
        raise ConfigError(f"two rewards are called {twice!r} in the logs", hint="give one of them a label")
    built = {
        part.title: rewarder(part, host, say) for part in sorted(parts, key=lambda one: one.name == MODEL)
    }
    return Mix(
        [
            Weighted(part.title, part.weight, built[part.title], is_import(part.name) or part.name in ASKED)
            for part in parts
        ],
        skip_failed,
    )


def rewarder(part: RewardPart, host: Host | None, say: Callable[[str], None]) -> Reward:
    """Build the reward that one part names, without its weight."""
    if is_import(part.name):
        return own_reward(part.name, part.options)
    if part.name == MODEL:
        return bound("reward", {MODEL: model_reward}, MODEL, part.options)(host, say)
    if part.name == JUDGE:
        return judge_reward(JUDGE, part.options)
    if part.name == RUBRIC:
        return rubric_reward(RUBRIC, part.options)
    require_reward(part.name)
    return rule_reward(part.name, part.options)


def rule_reward(name: str, options: Mapping[str, Any]) -> Reward:
    """Bind a row of `RULES` to its options, and try it on an empty response so that mistakes show at once."""
    rule = bound("reward", RULES, name, options)
    rule(Item(prompt=(), response=""))

    def outcome(item: Item) -> RewardOutcome:
        found = rule(item)
        return found if isinstance(found, Failed) else ScoredItem(found)

    return lambda items: [outcome(item) for item in items]
