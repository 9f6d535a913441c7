"""Ask the policy a step's prompts, score its responses, and ask other prompts where rewards are all alike."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import torch

from truing.core.streams import Stream, generator
from truing.losses.credit import tied
from truing.rewards.mix import MixScores
from truing.rollouts.experience import Rollouts
from truing.rollouts.prompts import Prompt
from truing.sampling.types import Sample


@dataclass(frozen=True)
class Asked:
    """Prompts by their numbers among the rows, the responses to each, and their scores."""

    items: Sequence[int]
    prompts: Sequence[Prompt]
    samples: Sequence[Sample]
    scores: MixScores

    @property
    def rollouts(self) -> Rollouts:
        ids = [prompt.tree.prompt for prompt in self.prompts]
        return Rollouts(self.items, ids, self.samples, self.scores.totals)

    @property
    def tokens(self) -> int:
        """Count the tokens of prompts and responses, a prompt once per response."""
        return sum(len(self.prompts[s.prompt].tree.prompt) + len(s.tokens) for s in self.samples)

    @property
    def differ(self) -> bool:
        """Tell whether any two rewards differ."""
        return len({total for total in self.scores.totals if total is not None}) > 1

    def telling(self) -> list[int]:
        """Return the prompts, by place, whose responses have different rewards."""
        known = [(s.prompt, total) for s, total in zip(self.samples, self.scores.totals, strict=True)]
        known = [(prompt, total) for prompt, total in known if total is not None]
        group = torch.tensor([prompt for prompt, _ in known], dtype=torch.long)
        same = tied(torch.tensor([total for _, total in known]), group) if known else group.bool()
        return sorted(set(group[~same].tolist()))


def joined(rounds: Sequence[Asked], wanted: int) -> Rollouts:
    """Join the first `wanted` prompts whose rewards differ; where there are none, all of the last round."""
    told = [(one, place) for one in rounds for place in one.telling()][:wanted]
    if not told:
        return rounds[-1].rollouts
    items, prompts, samples, rewards = [], [], [], []
    for one, place in told:
        for sample, total in zip(one.samples, one.scores.totals, strict=True):
            if sample.prompt == place:
                samples.append(_moved(sample, len(items)))
                rewards.append(total)
        items.append(one.items[place])
        prompts.append(one.prompts[place].tree.prompt)
    return Rollouts(items, prompts, samples, rewards)


def _moved(sample: Sample, prompt: int) -> Sample:
    return replace(sample, prompt=prompt)


def ask_until_telling(
    first: Asked,
    ask: Callable[[Sequence[int]], Asked],
    count: int,
    rounds: int,
    *,
    seed: int,
    step: int,
) -> list[Asked]:
    """Ask other prompts in place of those whose rewards are all alike, up to `rounds` times.

    DAPO's dynamic sampling, arXiv:2503.14476 section 3.2. The other prompts are drawn from `count` by
    (seed, step), each once.
    """
    drawn = generator(seed, Stream.OTHERS, step).permutation(count).tolist()
    others = [item for item in drawn if item not in set(first.items)]
    found = [first]
    for _ in range(rounds):
        missing = len(first.items) - sum(len(one.telling()) for one in found)
        if missing <= 0 or not others:
            break
        found.append(ask(others[:missing]))
        others = others[missing:]
    return found
