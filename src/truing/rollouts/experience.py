"""One step of online training up to its passes: prompts, responses, rewards, credit.

    prompts -> sampler -> Rollouts -> rewards -> Teacher: advantages -> Experience -> passes of every update

Sampling is keyed by (seed, step, prompt, k). A resumed run draws the same responses as the unbroken run, so
no buffer has to outlive the process.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from truing.core.streams import Stream, generator, within
from truing.data.packing import PackedBatch, Role
from truing.data.trees import Branch, Tree
from truing.losses.credit import penalised, tied, token_rewards, whiten
from truing.losses.policy_gradient import high_entropy
from truing.models.critic import Critic
from truing.models.passes import evened, passes_of, share_of, shared_numbers_of
from truing.models.scoring import Scorer, Trunk, without_dropout
from truing.objectives.choices import ChosenOnline
from truing.objectives.offline import Reference
from truing.objectives.policy_gradient import Experience, PerTree
from truing.sampling.types import Finish, Sample
from truing.training.hooks import Logs


@dataclass(frozen=True)
class Rollouts:
    """The responses of one step, siblings next to each other, and the reward of each response."""

    items: Sequence[int]  # the numbers of the prompts among the rows
    prompts: Sequence[Sequence[int]]  # token ids
    samples: Sequence[Sample]  # `prompt` is an index into both
    rewards: Sequence[float | None]  # None: the reward failed

    def only(self, keep: Sequence[bool]) -> "Rollouts":
        """Return the rollouts with the responses for which `keep` is true."""
        pairs = zip(self.samples, self.rewards, strict=True)
        kept = [pair for pair, stays in zip(pairs, keep, strict=True) if stays]
        return Rollouts(self.items, self.prompts, [s for s, _ in kept], [reward for _, reward in kept])

    def rewarded(self) -> "Rollouts":
        """Return the rollouts with the responses that have a reward; the others teach nothing."""
        return self.only([reward is not None for reward in self.rewards])

    @property
    def truncated(self) -> list[bool]:
        """Tell for each response whether it was cut off at its length."""
        return [sample.finish is Finish.LENGTH for sample in self.samples]

    def logs(self) -> Logs:
        rewards = torch.tensor([reward for reward in self.rewards if reward is not None])
        lengths = torch.tensor([float(len(sample.tokens)) for sample in self.samples])
        found = {
            "completions/mean_length": float(lengths.mean()),
            "completions/clipped_ratio": _share(self.truncated),
            "reward/failed": float(len(self.samples) - len(rewards)),
        }
        if len(rewards):
            found |= {"reward": float(rewards.mean()), "reward_std": float(rewards.std(correction=0))}
        return found


def _share(flags: Sequence[bool]) -> float:
    return sum(flags) / len(flags)


def trees_of(rollouts: Rollouts) -> dict[int, Tree]:
    """Make one tree per prompt that has a response, by its number among the rows; branches stay in order."""
    branches: dict[int, list[Branch]] = {}
    for sample in rollouts.samples:
        branch = Branch(sample.tokens, [True] * len(sample.tokens))
        branches.setdefault(sample.prompt, []).append(branch)
    return {rollouts.items[at]: Tree(rollouts.prompts[at], tuple(own)) for at, own in branches.items()}


def _tokens(tree: Tree) -> int:
    return sum(map(len, tree.branches))


@dataclass(frozen=True)
class Weighed:
    """Numbers of all tokens of a step, in the order of its samples, [N] each; None where not asked for."""

    advantages: Tensor
    old: Tensor | None
    reference: Tensor | None
    sampler: Tensor | None
    values: Tensor | None
    returns: Tensor | None

    def by_tree(self, trees: Mapping[int, Tree], keep: Tensor) -> Experience:
        """Return the experience of the tokens that `keep` [N] bool keeps, which are those of `trees`."""
        sizes = [_tokens(tree) for tree in trees.values()]

        def split(numbers: Tensor | None) -> PerTree | None:
            return None if numbers is None else dict(zip(trees, numbers[keep].split(sizes), strict=True))

        rest = (self.old, self.reference, self.sampler, self.values, self.returns)
        return Experience(trees, split(self.advantages) or {}, *map(split, rest))


@dataclass(frozen=True)
class Teacher:
    """Turns rollouts into the experience and the passes that a step learns from."""

    scorer: Scorer
    chosen: ChosenOnline
    reference: Reference | None
    critic: Critic | None
    tokens_per_pass: int
    updates: int  # of one step; with one alone, the policy that sampled is the policy that learns
    missing_eos_penalty: float = 0.0
    mask_truncated: bool = False

    def experience(self, rollouts: Rollouts, kl_weight: float) -> tuple[Experience, Logs]:
        """Give every token its credit; return the experience, with the other numbers a loss asks for."""
        rollouts = rollouts.rewarded()
        rewards = torch.tensor(rollouts.rewards) - self.missing_eos_penalty * torch.tensor(rollouts.truncated)
        group = torch.tensor([sample.prompt for sample in rollouts.samples], dtype=torch.long)
        response = _numbered([len(sample.tokens) for sample in rollouts.samples])
        keep, uniform = self._kept(rollouts, rewards, group), tied(rewards, group)
        weighed, logs = self._weighed(rollouts, rewards, group, response, keep[response], kl_weight)
        if self.chosen.credit.takes("group"):
            logs["frac_reward_zero_std"] = float(uniform.float().mean()) if len(uniform) else 0.0
        learnt = rollouts.only(keep.tolist())
        return weighed.by_tree(trees_of(learnt), keep[response]), logs

    def _kept(self, rollouts: Rollouts, rewards: Tensor, group: Tensor) -> Tensor:
        """Return a mask of the responses that are learnt from, [B] bool."""
        keep = torch.ones(len(rewards), dtype=torch.bool)
        if self.chosen.settings.uniform == "drop":
            keep &= ~tied(rewards, group)
        if self.mask_truncated:
            keep &= ~torch.tensor(rollouts.truncated, dtype=torch.bool)
        return keep

    def _weighed(
        self,
        rollouts: Rollouts,
        rewards: Tensor,  # [B]
        group: Tensor,  # [B] int64
        response: Tensor,  # [N] int64
        keep: Tensor,  # [N] bool
        kl_weight: float,
    ) -> tuple[Weighed, Logs]:
        settings, trees = self.chosen.settings, trees_of(rollouts)
        in_reward = settings.kl_in == "reward" and kl_weight > 0
        drawn = [logprob for sample in rollouts.samples for logprob in sample.logprobs]
        sampler = torch.tensor(drawn) if len(drawn) == len(response) else None  # some samplers report none
        asks_old = self.updates > 1 or in_reward or self.chosen.needs_sampler
        old = self._scored(trees, lambda batch: self.scorer(batch).logps) if asks_old else None
        ref = self._scored(trees, self.reference) if self.reference is not None else None
        values = self._scored(trees, self.critic) if self.critic is not None else None
        kl = torch.zeros(len(response))
        if in_reward and old is not None and ref is not None:
            kl = self.chosen.kl(logps=old, ref_logps=ref)
        advantages = self._credit(rewards, group, kl, response, values, kl_weight if in_reward else 0.0)
        returns = None if values is None else advantages + values
        logs = {} if returns is None or values is None else _value_logs(values, returns)
        if settings.whiten:
            advantages = whiten(advantages, keep)
        if settings.entropy_share < 1:
            entropy = self._scored(trees, self._entropy)
            advantages = advantages.where(high_entropy(entropy, share=settings.entropy_share), 0)
        return Weighed(advantages, old, ref, sampler, values, returns), logs

    def _credit(
        self,
        rewards: Tensor,
        group: Tensor,
        kl: Tensor,
        response: Tensor,
        values: Tensor | None,
        weight: float,
    ) -> Tensor:
        """Return the advantages of all tokens, [N]."""
        credit = self.chosen.credit
        if not len(rewards):  # a function of the user's own may not know what to do with none
            return torch.zeros(0)
        if credit.takes("token_rewards"):
            per_token = token_rewards(rewards, kl, response, weight=weight)
            if self.chosen.settings.whiten_rewards:
                per_token = whiten(per_token, keep_mean=True)
            return credit(token_rewards=per_token, response=response, values=values)
        if weight:
            rewards = penalised(rewards, kl, response, weight=weight)
        return credit(rewards=rewards, group=group)[response]

    def _entropy(self, batch: PackedBatch) -> Tensor:
        found = self.scorer(batch, entropy=True).entropy
        assert found is not None
        return found

    @torch.no_grad()
    def _scored(self, trees: Mapping[int, Tree], numbers: Callable[[PackedBatch], Tensor]) -> Tensor:
        """Return `numbers` of all tokens, on the CPU and in the order of the trees, [N], on every rank."""
        trunk = numbers if isinstance(numbers, Trunk) else self.scorer
        with without_dropout(trunk):
            cut = self.tokens_per_pass
            found = shared_numbers_of(trees, trunk, cut, lambda batch: numbers(batch).cpu())
        return torch.cat([torch.zeros(0), *(found[item] for item in trees)])

    def passes(self, experience: Experience, items: Sequence[int]) -> list[PackedBatch]:
        """Make this rank's passes of one update."""
        trees = {item: experience.trees[item] for item in items}
        own = share_of(trees, self.scorer.layout)
        roles: dict[Role, Trunk] = {"learn": self.scorer}
        if self.critic is not None:
            roles["value"] = self.critic
        return [
            batch
            for role, trunk in roles.items()
            for batch in evened(passes_of(own, trunk, self.tokens_per_pass, role), trees, trunk, role)
        ]


def _numbered(lengths: Sequence[int]) -> Tensor:
    """Return the number of the response that each token belongs to, [N] int64."""
    return torch.arange(len(lengths)).repeat_interleave(torch.tensor(lengths, dtype=torch.long))


def _value_logs(values: Tensor, returns: Tensor) -> Logs:
    """Return the share of the returns' variance that the critic explained before it learnt from them."""
    spread = float(returns.var(correction=0))
    missed = float((returns - values).var(correction=0))
    return {
        "value/explained_variance": 1 - missed / spread if spread else 0.0,
        "returns": float(returns.mean()),
    }


def cut(items: Sequence[int], epochs: int, mini_batches: int, *, seed: int, step: int) -> list[list[int]]:
    """Return the items of each update of a step: every epoch shuffles the items and cuts them up.

    Fewer items than `mini_batches` make fewer updates.
    """
    found: list[list[int]] = []
    for epoch in range(epochs):
        order = generator(seed, Stream.UPDATES, within(step, epoch)).permutation(list(items))
        found += [part.tolist() for part in np.array_split(order, mini_batches) if len(part)]
    return found
