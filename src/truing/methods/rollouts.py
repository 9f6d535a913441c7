"""One step of online training up to its passes: prompts, responses, rewards, credit.

    prompts -> sampler -> Rollouts -> rewards -> advantages -> Experience -> passes of every update

Sampling is keyed by (seed, step, prompt, k): a resumed run draws what the unbroken one drew, so that no
buffer need outlive the process.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from truing.data.packing import PackedBatch
from truing.data.trees import Branch, Tree
from truing.losses.credit import penalised, tied, token_rewards
from truing.methods.objectives import Reference
from truing.methods.online import ChosenOnline
from truing.methods.passes import passes_of
from truing.methods.policy_gradient import Experience, PerTree
from truing.models.scoring import Scorer, without_dropout
from truing.sampling.types import Finish, Sample
from truing.train.hooks import Logs


@dataclass(frozen=True)
class Rollouts:
    """What was sampled in one step, siblings next to each other, and the reward of each response."""

    items: Sequence[int]  # what numbers the prompts have among the rows
    prompts: Sequence[Sequence[int]]  # token ids
    samples: Sequence[Sample]  # `prompt` is an index into both
    rewards: Sequence[float | None]  # None: the reward failed

    @property
    def kept(self) -> list[Sample]:
        """The responses that have a reward; the others teach nothing."""
        return [s for s, reward in zip(self.samples, self.rewards, strict=True) if reward is not None]

    def logs(self) -> Logs:
        rewards = torch.tensor([reward for reward in self.rewards if reward is not None])
        lengths = torch.tensor([float(len(sample.tokens)) for sample in self.samples])
        found = {
            "completions/mean_length": float(lengths.mean()),
            "completions/clipped_ratio": _share(sample.finish is Finish.LENGTH for sample in self.samples),
            "reward/failed": float(len(self.samples) - len(rewards)),
        }
        if len(rewards):
            found |= {"reward": float(rewards.mean()), "reward_std": float(rewards.std(correction=0))}
        return found


def _share(flags: Iterator[bool]) -> float:
    told = list(flags)
    return sum(told) / len(told)


def trees_of(rollouts: Rollouts) -> dict[int, Tree]:
    """One tree per prompt that has a response to learn from, by its number among the rows."""
    branches: dict[int, list[Branch]] = {}
    for sample in rollouts.kept:
        branch = Branch(sample.tokens, [True] * len(sample.tokens))
        branches.setdefault(sample.prompt, []).append(branch)
    return {rollouts.items[at]: Tree(rollouts.prompts[at], tuple(own)) for at, own in branches.items()}


def _tokens(tree: Tree) -> int:
    return sum(map(len, tree.branches))


@dataclass(frozen=True)
class Teacher:
    """Turns rollouts into what a step learns from."""

    scorer: Scorer
    chosen: ChosenOnline
    reference: Reference | None
    tokens_per_pass: int
    updates: int  # of one step; with one alone, the policy that sampled is the policy that learns

    def experience(self, rollouts: Rollouts, kl_weight: float) -> tuple[Experience, Logs]:
        """Credit for every token, and the log-probabilities it is weighed against."""
        trees = trees_of(rollouts)
        in_reward = self.chosen.kl_in == "reward" and kl_weight > 0
        old = self._scored(trees, self._policy) if self.updates > 1 or in_reward else None
        ref = self._scored(trees, self.reference) if self.reference is not None else None
        rewards = torch.tensor([reward for reward in rollouts.rewards if reward is not None])
        group = torch.tensor([sample.prompt for sample in rollouts.kept], dtype=torch.long)
        lengths = torch.tensor([len(sample.tokens) for sample in rollouts.kept], dtype=torch.long)
        response = torch.arange(len(lengths)).repeat_interleave(lengths)
        kl = torch.zeros(len(response))
        if in_reward and old and ref:
            kl = self.chosen.kl(logps=torch.cat(list(old.values())), ref_logps=torch.cat(list(ref.values())))
        flat = self._credit(rewards, group, kl, response, kl_weight if in_reward else 0.0)
        advantages = dict(zip(trees, flat.split([_tokens(tree) for tree in trees.values()]), strict=True))
        uniform = tied(rewards, group)
        logs = {"frac_reward_zero_std": float(uniform.float().mean()) if len(uniform) else 0.0}
        if self.chosen.uniform == "drop":
            gone = {rollouts.items[at] for at in group[uniform].tolist()}
            trees = {item: tree for item, tree in trees.items() if item not in gone}
        return Experience(trees, advantages, old, ref), logs

    def _credit(self, rewards: Tensor, group: Tensor, kl: Tensor, response: Tensor, weight: float) -> Tensor:
        """Advantages of all tokens, [N]."""
        credit = self.chosen.credit
        if credit.takes("token_rewards"):
            per_token = token_rewards(rewards, kl, response, weight=weight)
            return credit(token_rewards=per_token, response=response)
        if weight:
            rewards = penalised(rewards, kl, response, weight=weight)
        return credit(rewards=rewards, group=group)[response]

    def _policy(self, batch: PackedBatch) -> Tensor:
        return self.scorer(batch).logps

    @torch.no_grad()
    def _scored(self, trees: Mapping[int, Tree], logps: Reference) -> PerTree:
        """On the CPU, in the order of the trees."""
        found: dict[int, Tensor] = {}
        with without_dropout(self.scorer):
            for batch in passes_of(trees, self.scorer, self.tokens_per_pass):
                sizes = [_tokens(trees[item]) for item in batch.items]
                found.update(zip(batch.items, logps(batch).cpu().split(sizes), strict=True))
        return {item: found[item] for item in trees}

    def passes(self, experience: Experience, items: Sequence[int]) -> list[PackedBatch]:
        """What one update learns from."""
        trees = {item: experience.trees[item] for item in items}
        return passes_of(trees, self.scorer, self.tokens_per_pass)


def cut(items: Sequence[int], epochs: int, mini_batches: int, *, seed: int, step: int) -> list[list[int]]:
    """Which items each update of a step learns from: every epoch shuffles them and cuts them up.

    Fewer items than `mini_batches` make fewer updates.
    """
    found: list[list[int]] = []
    for epoch in range(epochs):
        key = [seed, 2**34 + step * 2**16 + epoch]
        order = np.random.Generator(np.random.Philox(key=key)).permutation(list(items))
        found += [part.tolist() for part in np.array_split(order, mini_batches) if len(part)]
    return found
