"""The age of responses: the steps by which the weights that drew them are behind the policy that learns.

Step s learns with the weights after s - 1 steps. A sample names the step of its weights; one that names none
comes from a sampler whose weights are always the newest.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from truing.sampling.types import Sample
from truing.training.hooks import Logs


@dataclass(frozen=True)
class Renewed:
    """The responses that a step learns from, and how many others were too old to be learnt from."""

    samples: Sequence[Sample]
    logs: Logs


def age_of(sample: Sample, step: int) -> int:
    """Return the age of a response when `step` learns from it, in steps."""
    return 0 if sample.version is None else step - 1 - sample.version


def renew(
    samples: Sequence[Sample], step: int, bound: int, draw: Callable[[Sequence[int]], Sequence[Sample]]
) -> Renewed:
    """Have the prompts drawn again that have a response older than `bound` steps.

    `draw` gets the places of these prompts, and returns their responses as a sampler does: siblings together,
    numbered by place among those that were asked. Siblings of an old response are drawn again with it, since
    credit compares them.
    """
    old = [sample for sample in samples if age_of(sample, step) > bound]
    again = sorted({sample.prompt for sample in old})
    if again:
        kept = [sample for sample in samples if sample.prompt not in set(again)]
        drawn = [replace(sample, prompt=again[sample.prompt]) for sample in draw(again)]
        samples = sorted([*kept, *drawn], key=lambda sample: (sample.prompt, sample.k))
    ages = [age_of(sample, step) for sample in samples]
    mean = sum(ages) / len(ages) if ages else 0.0
    return Renewed(samples, {"sampling/staleness": mean, "sampling/stale": float(len(old))})
