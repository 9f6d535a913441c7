"""Rows from compared responses: preferences or best responses, beside as many drawn at random.

Every compared pair is counted once:

    compared = kept + not chosen + equal + ties + unsure + errors

A pair of equal texts is not shown to the judge. A tie is a judge's tie, or verdicts that the two places
cancel out. A pair is unsure where the Bradley-Terry fit of all comparisons gives its preference a probability
below `sure`.
"""

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from truing.config.feedback import FeedbackRecipe
from truing.stats.bradley_terry import Strengths
from truing.synthesis.pools import EQUAL, Pool, PoolResponse, told_columns
from truing.synthesis.prompts import turns

Lineage = Callable[[Pool, Mapping[str, Any]], dict[str, Any]]  # of a row made of a pool, with further facts
COUNTS = ("kept", "not_chosen", "equal", "ties", "unsure", "errors")


@dataclass(frozen=True, slots=True)
class ChosenRow:
    """A row, the places in a pool of its responses, the better one first, and their strengths."""

    pool: int
    places: tuple[int, ...]  # chosen and rejected, or the response alone
    strengths: tuple[float, ...]
    row: dict[str, Any]


@dataclass
class Selection:
    """The rows made from pools, and an account of every compared pair."""

    rows: list[ChosenRow] = field(default_factory=list["ChosenRow"])
    control: list[ChosenRow] = field(default_factory=list["ChosenRow"])
    pairs: Counter[str] = field(default_factory=Counter[str])

    @property
    def compared(self) -> int:
        """The number of pairs: the sum of all counts."""
        return sum(self.pairs[name] for name in COUNTS)


def choose(
    recipe: FeedbackRecipe,
    pools: Sequence[Pool],
    fits: Sequence[Strengths],
    scores: Sequence[Sequence[float]],
    lineage: Lineage,
) -> Selection:
    """Make the rows that `recipe.select` asks for, and as many at random.

    `scores[p][i]` is what the responses are ranked by: the strengths of a fit, or a reward model's scores,
    -inf for a response without one, which no row takes.
    """
    choice = Selection()
    candidates: list[ChosenRow] = []
    for number, (pool, fit) in enumerate(zip(pools, fits, strict=True)):
        choice.pairs["equal"] += pool.aside[EQUAL]
        own = [
            _pair(number, pool, fit, scores[number], places, lineage)
            for places in _decided(recipe, pool, fit, choice.pairs)
        ]
        candidates += own if recipe.select == "all_pairs" else _widest(own)
        choice.pairs["not_chosen"] += len(own)
    if recipe.select == "best_of_n":
        choice.rows = _best(recipe, pools, scores, lineage)
    else:
        choice.rows = candidates
        choice.pairs["kept"] = len(candidates)
        choice.pairs["not_chosen"] -= len(candidates)
    choice.control = _at_random(recipe, pools, scores, choice.rows, lineage)
    return choice


def _decided(
    recipe: FeedbackRecipe, pool: Pool, fit: Strengths, counts: Counter[str]
) -> list[tuple[int, int]]:
    """Return the pairs that may become rows, the better response first; count the others by reason."""
    found: list[tuple[int, int]] = []
    for (first, second), verdict in pool.verdicts.items():
        if verdict is None:
            counts["errors"] += 1
        elif verdict == 0.5:
            counts["ties"] += 1
        else:
            better, worse = (first, second) if verdict > 0.5 else (second, first)
            if fit.outcome(better, worse).preference < recipe.sure and recipe.unsure == "drop":
                counts["unsure"] += 1
            else:
                found.append((better, worse))
    return found


def _widest(pairs: Sequence[ChosenRow]) -> list[ChosenRow]:
    """Return the pair whose strengths are furthest apart."""
    return [max(pairs, key=lambda one: one.strengths[0] - one.strengths[1])] if pairs else []


def _pair(
    number: int,
    pool: Pool,
    fit: Strengths,
    scores: Sequence[float],
    places: tuple[int, int],
    lineage: Lineage,
) -> ChosenRow:
    better, worse = (pool.responses[place] for place in places)
    outcome = fit.outcome(*places)
    row = {
        "prompt": turns(pool.record),
        "chosen": better.text,
        "rejected": worse.text,
        "strength_gap": round(scores[places[0]] - scores[places[1]], 6),
        "chosen_probability": round(outcome.preference, 6),
        **told_columns(pool.record),
        "lineage": lineage(pool, {"writers": [better.writer, worse.writer], "k": [better.k, worse.k]}),
    }
    return ChosenRow(number, places, (scores[places[0]], scores[places[1]]), row)


def _alone(number: int, pool: Pool, place: int, scores: Sequence[float], lineage: Lineage) -> ChosenRow:
    one: PoolResponse = pool.responses[place]
    row = {
        "prompt": turns(pool.record),
        "completion": one.text,
        "strength": round(scores[place], 6),
        **told_columns(pool.record),
        "lineage": lineage(pool, {"writers": [one.writer], "k": [one.k]}),
    }
    return ChosenRow(number, (place,), (scores[place],), row)


def _best(
    recipe: FeedbackRecipe, pools: Sequence[Pool], scores: Sequence[Sequence[float]], lineage: Lineage
) -> list[ChosenRow]:
    """Return the best response of each prompt, or as many of the best of all prompts together."""
    held = [number for number, pool in enumerate(pools) if _ranked(pool, scores[number])]
    if recipe.across == "prompt":
        places = [(number, int(np.argmax(scores[number]))) for number in held]
    else:
        best = sorted(_all_ranked(pools, scores), key=lambda one: -scores[one[0]][one[1]])
        places = sorted(best[: len(held)])
    return [_alone(number, pools[number], place, scores[number], lineage) for number, place in places]


def _ranked(pool: Pool, scores: Sequence[float]) -> list[int]:
    """Return the places of responses that can be ranked: a reward model gives no score to a too long one."""
    return [place for place in range(len(pool.responses)) if math.isfinite(scores[place])]


def _all_ranked(pools: Sequence[Pool], scores: Sequence[Sequence[float]]) -> list[tuple[int, int]]:
    numbered = enumerate(zip(pools, scores, strict=True))
    return [(number, place) for number, (pool, own) in numbered for place in _ranked(pool, own)]


def _at_random(
    recipe: FeedbackRecipe,
    pools: Sequence[Pool],
    scores: Sequence[Sequence[float]],
    rows: Sequence[ChosenRow],
    lineage: Lineage,
) -> list[ChosenRow]:
    """Return as many rows drawn at random from the same responses: of the same prompts, or of all."""
    draw = np.random.default_rng((recipe.seed, 1))
    found: list[ChosenRow] = []
    if recipe.select == "best_of_n" and recipe.across == "all":
        every = _all_ranked(pools, scores)
        for index in sorted(draw.choice(len(every), size=len(rows), replace=False)) if rows else []:
            number, place = every[int(index)]
            found.append(_alone(number, pools[number], place, scores[number], lineage))
        return found
    for one in rows:
        pool = pools[one.pool]
        places = draw.choice(_ranked(pool, scores[one.pool]), size=len(one.places), replace=False).tolist()
        if len(one.places) == 1:
            found.append(_alone(one.pool, pool, places[0], scores[one.pool], lineage))
        else:
            found.append(_random_pair(one.pool, pool, places, scores[one.pool], lineage))
    return found


def _random_pair(
    number: int, pool: Pool, places: Sequence[int], scores: Sequence[float], lineage: Lineage
) -> ChosenRow:
    first, second = places
    one, other = pool.responses[first], pool.responses[second]
    row = {
        "prompt": turns(pool.record),
        "chosen": one.text,
        "rejected": other.text,
        **told_columns(pool.record),
        "lineage": lineage(
            pool, {"writers": [one.writer, other.writer], "k": [one.k, other.k], "drawn": "at random"}
        ),
    }
    return ChosenRow(number, (first, second), (scores[first], scores[second]), row)
