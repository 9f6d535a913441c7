"""Responses of a policy in training with their rewards: the first step, the last, the best, the worst.

samples.jsonl -> `read_samples` -> Sampled -> `sample_tables` -> templates/samples.html.j2
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from truing.config.run_folder import SAMPLES
from truing.core import files
from truing.reports.records import Rewarded, SampleGroup, SampleTable

OF_STEP, OF_RANK = 4, 3  # responses shown of one step, and of the best or the worst


@dataclass(frozen=True, slots=True)
class Sampled:
    """One response that `samples.jsonl` kept. The texts are untrusted."""

    step: int
    prompt: str  # of a run that did not keep it: the place of its row
    response: str
    reward: float | None  # None where the reward failed


def read_samples(path: Path) -> list[Sampled]:
    """Read the responses that a run kept, in the order of their steps; empty without sampling."""
    return [
        Sampled(row["step"], row.get("prompt", row["place"]), row["response"], row["reward"])
        for row in files.read_jsonl(path / SAMPLES)
    ]


def sample_tables(samples: Sequence[Sampled]) -> list[SampleTable]:
    """Tabulate the responses of the first and the last step, and of the highest and the lowest reward."""
    if not samples:
        return []
    first, last = samples[0].step, samples[-1].step
    tables = [_table("The first step", [one for one in samples if one.step == first][:OF_STEP])]
    if last != first:
        tables.append(_table("The last step", [one for one in samples if one.step == last][:OF_STEP]))
    known = [one for one in samples if one.reward is not None and math.isfinite(one.reward)]
    ranked = sorted(known, key=lambda one: one.reward or 0.0)
    if len(ranked) > OF_STEP and ranked[0].reward != ranked[-1].reward:
        tables.append(_table("The highest rewards of all steps", ranked[: -OF_RANK - 1 : -1]))
        tables.append(_table("The lowest rewards of all steps", ranked[:OF_RANK]))
    return tables


def _table(title: str, samples: Sequence[Sampled]) -> SampleTable:
    """Group samples under their prompts; consecutive samples of one prompt stand together."""
    groups = [
        SampleGroup(step, prompt, [Rewarded(one.response, one.reward) for one in some])
        for (step, prompt), some in groupby(samples, key=lambda one: (one.step, one.prompt))
    ]
    return SampleTable(title, groups)
