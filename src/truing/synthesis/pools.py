"""The responses to each prompt that feedback is asked about: sampled from every policy, equal texts once.

pools = sample_pools(prompts, policies, wish, watch) -> one `Pool` a prompt
judge_pools(pools, compare, ...)                     -> comparisons in it, round by round
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np

from truing.core.messages import message
from truing.core.records import Record
from truing.data.rows import RowError, check_text
from truing.evals.bench import TaskWatch
from truing.evals.pair_judges import Compare
from truing.evals.questions import question_of
from truing.evals.sides import SampledResponse, response_of
from truing.judges.client import NoVerdict
from truing.sampling.roles import ModelRole, Wish
from truing.stats.bradley_terry import Compared, Strengths, fit_groups
from truing.stats.pairing import Place, all_pairs_of, least_certain, swiss_round
from truing.synthesis.prompts import PromptSet

FAILED, EMPTY, EQUAL, UNREADABLE = "failed", "empty", "equal", "unreadable"  # why not compared


@dataclass(frozen=True, slots=True)
class PoolResponse:
    """One of the different responses to a prompt: its writer's place among the policies, and its number."""

    writer: int
    k: int
    response: SampledResponse

    @property
    def text(self) -> str:
        return self.response.text


@dataclass
class Pool:
    """The different responses to a prompt, and what a judge has said of pairs of them."""

    record: Record
    responses: list[PoolResponse]
    aside: Counter[str]  # responses that are not compared, by reason
    verdicts: dict[Place, float | None] = field(default_factory=dict[Place, float | None])
    reasons: dict[Place, str] = field(default_factory=dict[Place, str])  # of pairs without a verdict

    @property
    def compared(self) -> list[Compared]:
        """The comparisons that have a verdict. A verdict p between them counts as p wins and 1 − p losses."""
        return [
            Compared(*pair, outcome, times)
            for pair, verdict in self.verdicts.items()
            if verdict is not None
            for outcome, times in _outcomes(verdict)
        ]


def _outcomes(verdict: float) -> list[tuple[float, float]]:
    """Return the outcomes of a comparison that sum to its verdict, with how often each counts."""
    if verdict in (0.0, 0.5, 1.0):
        return [(verdict, 1.0)]
    return [(1.0, verdict), (0.0, 1.0 - verdict)]


def sample_pools(
    prompts: PromptSet, policies: Sequence[ModelRole], wish: Wish, watch: TaskWatch
) -> list[Pool]:
    """Sample every policy's responses to every prompt. Empty and equal texts are set aside and counted."""
    columns = [
        policy.write(prompts.records, wish, partial(watch, message("asking {model}", model=policy.title)))
        for policy in policies
    ]
    pools: list[Pool] = []
    for place, record in enumerate(prompts.records):
        question = question_of(record, record.place)
        pool = Pool(record, [], Counter())
        seen: set[str] = set()
        for writer, column in enumerate(columns):
            for k, one in enumerate(column[place]):
                if isinstance(one, NoVerdict):
                    pool.aside[FAILED] += 1
                elif not one.text.strip():
                    pool.aside[EMPTY] += 1
                elif not readable(one.text):
                    pool.aside[UNREADABLE] += 1
                elif one.text in seen:
                    pool.aside[EQUAL] += 1
                else:
                    seen.add(one.text)
                    said = response_of(question, one.text, cut=one.cut, k=k)
                    pool.responses.append(PoolResponse(writer, k, said))
        pools.append(pool)
    return pools


def readable(text: str) -> bool:
    """Tell whether a file of rows can hold a text: small models write NUL."""
    try:
        check_text(text)
    except RowError:
        return False
    return True


def judge_pools(
    pools: Sequence[Pool], compare: Compare, *, how: str, rounds: int, seed: int, watch: TaskWatch
) -> list[str]:
    """Have pairs of each pool compared: `all`, or `rounds` rounds of `swiss` or `uncertain`.

    Returns the notes of the judge. The response that the judge is told of first is drawn by the seed.
    """
    notes: list[str] = []
    for number in range(1 if how == "all" else rounds):
        chosen = [(pool, pair) for pool, pairs in _chosen(pools, how) for pair in pairs]
        if not chosen:
            break
        turned = np.random.default_rng((seed, number)).random(len(chosen)) < 0.5
        sides = [_sides(pool, pair, bool(turn)) for (pool, pair), turn in zip(chosen, turned, strict=True)]
        told, both = partial(watch, message("comparing")), 2 * len(sides)  # orders of each pair
        told(0, both)
        found = compare([a for a, _ in sides], [b for _, b in sides], told)
        told(both, both)
        for (pool, pair), turn, verdict, reason in zip(
            chosen, turned, found.preferences, found.reasons, strict=True
        ):
            pool.verdicts[pair] = 1.0 - verdict if turn and verdict is not None else verdict
            if verdict is None:
                pool.reasons[pair] = reason
        notes += [note for note in found.notes if note not in notes]
    return notes


def _chosen(pools: Sequence[Pool], how: str) -> list[tuple[Pool, list[Place]]]:
    """Return the pairs of each pool that are compared next."""
    if how == "all":
        return [(pool, all_pairs_of(len(pool.responses))) for pool in pools]
    fits = strengths_of(pools)
    if how == "swiss":
        return [
            (pool, swiss_round(list(fit.strengths[: len(pool.responses)]), pool.verdicts))
            for pool, fit in zip(pools, fits, strict=True)
        ]
    found: list[tuple[Pool, list[Place]]] = []
    for pool, fit in zip(pools, fits, strict=True):
        free = [pair for pair in all_pairs_of(len(pool.responses)) if pair not in pool.verdicts]
        most = max(1, len(pool.responses) // 2)
        found.append((pool, least_certain(fit, most, free) if free else []))
    return found


def _sides(pool: Pool, pair: Place, turned: bool) -> tuple[SampledResponse, SampledResponse]:
    first, second = (pool.responses[place].response for place in pair)
    return (second, first) if turned else (first, second)


def strengths_of(pools: Sequence[Pool]) -> list[Strengths]:
    """Fit the strengths of each pool's responses, with one readiness to call a tie: the judge's."""
    return fit_groups([pool.compared for pool in pools], [max(1, len(pool.responses)) for pool in pools])


def lengths_apart(pools: Sequence[Pool]) -> tuple[list[float | None], list[int]]:
    """Return every verdict and how much longer the first response of its pair is, in characters."""
    verdicts: list[float | None] = []
    gaps: list[int] = []
    for pool in pools:
        for (first, second), verdict in pool.verdicts.items():
            verdicts.append(verdict)
            gaps.append(len(pool.responses[first].text) - len(pool.responses[second].text))
    return verdicts, gaps


def told_columns(record: Record) -> Mapping[str, Any]:
    """Return the category of a prompt, where it has one."""
    return {"category": record.category} if record.category else {}
