"""Preferences from models (RLAIF): sample responses, have a judge compare them, fit strengths, choose rows.

    prompts -> k responses of each policy -> pairs -> verdicts in both orders -> Bradley-Terry -> rows

    rows.jsonl         preferences with `chosen_probability`, or the best responses
    control.jsonl      as many rows drawn at random from the same responses, to train the same way
    responses.jsonl    every response with its strength and interval
    comparisons.jsonl  every compared pair with its verdict, or the reason of none

Source: Lee et al. 2023, arXiv:2309.00267 (RLAIF); Dong et al. 2023, arXiv:2304.06767 (best of n).
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from truing.config.feedback import ROUNDS, FeedbackRecipe
from truing.core.errors import ConfigError, DataError, RewardError
from truing.core.messages import Say, message
from truing.evals.bench import TaskWatch
from truing.evals.pair_judges import Compare, RewardJudge, judge_of, length_decides, scores_of
from truing.models.contents import contents_of_source
from truing.models.trained import Trained, is_reward
from truing.sampling.roles import ModelRole, RoleSpec, Wish, live_of, open_role, role_options
from truing.stats.bradley_terry import Strengths
from truing.stats.intervals import Interval, bootstrap_mean, wilson
from truing.synthesis.choosing import COUNTS, Selection, choose
from truing.synthesis.lineage import lineage
from truing.synthesis.pools import (
    EMPTY,
    EQUAL,
    FAILED,
    UNREADABLE,
    Pool,
    judge_pools,
    lengths_apart,
    sample_pools,
    strengths_of,
)
from truing.synthesis.prompts import PromptSet, read_prompts, turns
from truing.synthesis.work import WorkFolder, answers_in, work_folder

VERB = "feedback"
CONTROL, RESPONSES, COMPARISONS = "control.jsonl", "responses.jsonl", "comparisons.jsonl"
MOST_LONGER = 0.65  # share of rows whose chosen response is longer, above which it is told


@dataclass(frozen=True)
class Feedback:
    """The outcome of feedback. `numbers` have 95 % intervals; `errors` is the share of pairs without one."""

    recipe: FeedbackRecipe
    path: Path
    pools: list[Pool]
    fits: list[Strengths]
    choice: Selection
    notes: list[str]
    numbers: Mapping[str, Interval | None]
    policies: list[str]

    @property
    def rows(self) -> list[dict[str, Any]]:
        """The rows that were chosen, as `rows.jsonl` has them."""
        return [one.row for one in self.choice.rows]

    @property
    def errors(self) -> float:
        asked = sum(self.choice.pairs[name] for name in COUNTS if name != "equal")
        return self.choice.pairs["errors"] / asked if asked else 0.0


def make_feedback(
    recipe: FeedbackRecipe,
    say: Say,
    watch: TaskWatch,
    opened: Mapping[str, Trained] = MappingProxyType({}),
) -> Feedback:
    """Make rows from a recipe in its folder `output`; the same call goes on where another was stopped.

    `opened` holds models in memory, by their name among `policies`. Raises ConfigError, DataError and
    ModelError before any model is asked, and RewardError where a budget is used up.
    """
    judge = judge_spec(recipe.judge)
    if recipe.across == "all" and judge.get("name") != "model":
        raise ConfigError(
            message("across: all compares responses to different prompts, which only scores can"),
            hint=message("judge: {name: model, path: runs/reward}"),
        )
    compare = judge_of(judge)
    prompts = read_prompts(recipe.prompts, say, limit=recipe.limit)
    answers = answers_in(recipe.output)
    roles = [open_role(one, answers, live_of(one, opened)) for one in recipe.policies]
    asked = {
        "recipe": recipe.recorded(),
        "inputs": prompts.inputs,
        "policies": [dict(role.identity) for role in roles],
        "judge": judge_identity(judge),
    }
    with work_folder(recipe.output, VERB, asked) as folder:
        wish = Wish(recipe.k, recipe.temperature, recipe.max_new_tokens, recipe.seed)
        pools = sample_pools(prompts, roles, wish, watch)
        if not any(len(pool.responses) > 1 for pool in pools):
            raise DataError(
                message("no prompt has two different responses to compare"),
                hint=message("raise k, temperature or max_new_tokens; see {path}", path=folder.path),
            )
        done = _judged(recipe, judge, compare(folder.path), prompts, roles, pools, folder, watch)
        _write(done, folder)
    return done


def judge_spec(spec: RoleSpec) -> dict[str, Any]:
    """Return a judge as a row of JUDGES: a path is a reward model or a language model on this machine."""
    if not isinstance(spec, str):
        return role_options(spec)
    if ":" in spec and not spec.startswith("wheel:"):  # a function of the user's
        return {"name": spec}
    return role_options(spec) | ({"name": "model"} if is_reward(spec) else {})


def judge_identity(judge: Mapping[str, Any]) -> dict[str, Any]:
    """Return what decides a judge's verdicts: its options, and the hashes of a model on this machine."""
    path = judge.get("path")
    return {**judge, **({"contents": contents_of_source(path)} if isinstance(path, str) else {})}


def _judged(
    recipe: FeedbackRecipe,
    judge: Mapping[str, Any],
    compare: Compare,
    prompts: PromptSet,
    roles: Sequence[ModelRole],
    pools: list[Pool],
    folder: WorkFolder,
    watch: TaskWatch,
) -> Feedback:
    notes = judge_pools(
        pools, compare, how=recipe.compare, rounds=recipe.rounds or ROUNDS, seed=recipe.seed, watch=watch
    )
    fits = strengths_of(pools)
    identities = [dict(role.identity) for role in roles]
    asked_of = judge_identity(judge)

    def told(pool: Pool, facts: Mapping[str, Any]) -> dict[str, Any]:
        writers = [identities[number] for number in facts["writers"]]
        own = {**facts, "writers": writers, "judge": asked_of, "seed": recipe.seed}
        return lineage(VERB, prompts, pool.record, **own)

    choice = choose(recipe, pools, fits, _ranks(compare, pools, fits), told)
    notes += length_decides(*lengths_apart(pools))
    titles = [role.title for role in roles]
    numbers = dict(_numbers(choice, pools, titles))
    notes += [*_longer(numbers), *_bounds(pools, titles)]
    return Feedback(recipe, folder.path, pools, fits, choice, notes, numbers, titles)


def _ranks(compare: Compare, pools: Sequence[Pool], fits: Sequence[Strengths]) -> list[list[float]]:
    """Return what responses are ranked by: a reward model's own scores, else the strengths."""
    if not isinstance(compare, RewardJudge):
        return [list(map(float, fit.strengths)) for fit in fits]
    listed = [one.response for pool in pools for one in pool.responses]
    marks = iter(scores_of(compare.reward, listed))
    found: list[list[float]] = []
    for pool in pools:
        scores = [next(marks).values["reward"] for _ in pool.responses]
        found.append([float("-inf") if one is None else one for one in scores])
    return found


def _numbers(
    choice: Selection, pools: Sequence[Pool], policies: Sequence[str]
) -> Iterator[tuple[str, Interval | None]]:
    """Yield the numbers of the page: how sure, how long, how far above chance, and which policy wins."""
    rows = choice.rows
    pairs = [one for one in rows if len(one.places) == 2]
    if pairs:
        yield "preference", bootstrap_mean([one.row["chosen_probability"] for one in pairs])
        longer = sum(len(one.row["chosen"]) > len(one.row["rejected"]) for one in pairs)
        yield "longer_chosen", wilson(longer, len(pairs))
    if len(rows) > 1 and len(rows) == len(choice.control):
        gains = [a.strengths[0] - b.strengths[0] for a, b in zip(rows, choice.control, strict=True)]
        yield "above_control", bootstrap_mean(gains)
    for number, name in enumerate(policies) if len(policies) > 1 else ():
        won = [one for one in _won(pools, number) if one is not None]
        yield f"won/{name}", bootstrap_mean(won) if len(won) > 1 else None


def _won(pools: Sequence[Pool], number: int) -> list[float | None]:
    """Return the verdicts for a policy on its pairs with the others, None where there is none."""
    return [
        verdict if verdict is None or pool.responses[first].writer == number else 1.0 - verdict
        for pool in pools
        for (first, second), verdict in pool.verdicts.items()
        if (pool.responses[first].writer == number) != (pool.responses[second].writer == number)
    ]


def _bounds(pools: Sequence[Pool], policies: Sequence[str]) -> Iterator[str]:
    """Yield how far the pairs without a verdict could move each policy's share of wins."""
    for number, name in enumerate(policies) if len(policies) > 1 else ():
        won = _won(pools, number)
        missing = won.count(None)
        if missing:
            least = sum(one for one in won if one is not None) / len(won)
            said = "{n} pairs of {name} have no verdict: with them it wins {worst:.0%} to {best:.0%}."
            yield message(said, n=missing, name=name, worst=least, best=least + missing / len(won))


def _longer(numbers: Mapping[str, Interval | None]) -> list[str]:
    found = numbers.get("longer_chosen")
    if found is None or found.low < MOST_LONGER:
        return []
    said = "The chosen response is the longer one in {share:.0%} of the rows: they teach length."
    return [message(said, share=found.estimate)]


# Files


def _write(done: Feedback, folder: WorkFolder) -> None:
    folder.write_rows(done.rows)
    folder.write_rows([one.row for one in done.choice.control], CONTROL)
    folder.write_rows(_response_rows(done), RESPONSES)
    folder.write_rows(_comparison_rows(done), COMPARISONS)
    folder.write_results(as_json(done))


def _response_rows(done: Feedback) -> Iterator[dict[str, Any]]:
    for pool, fit in zip(done.pools, done.fits, strict=True):
        for one, interval in zip(pool.responses, fit.intervals(), strict=False):
            yield {
                "prompt": turns(pool.record),
                "response": one.text,
                "policy": done.policies[one.writer],
                "k": one.k,
                "cut": one.response.cut,
                "strength": None if interval is None else round(interval.estimate, 6),
                "low": None if interval is None else round(interval.low, 6),
                "high": None if interval is None else round(interval.high, 6),
            }


def _comparison_rows(done: Feedback) -> Iterator[dict[str, Any]]:
    for pool in done.pools:
        for pair, verdict in pool.verdicts.items():
            first, second = (pool.responses[place] for place in pair)
            yield {
                "prompt": turns(pool.record),
                "first": first.text,
                "second": second.text,
                "first_is_better": verdict,
                "why": pool.reasons.get(pair, ""),
            }


def as_json(done: Feedback) -> dict[str, Any]:
    """Return all counts and numbers for scripts."""
    aside = sum((pool.aside for pool in done.pools), Counter[str]())
    return {
        "prompts": len(done.pools),
        "responses": {
            "different": sum(len(pool.responses) for pool in done.pools),
            **{why: aside[why] for why in (EQUAL, EMPTY, UNREADABLE, FAILED)},
        },
        "pairs": {"compared": done.choice.compared, **{name: done.choice.pairs[name] for name in COUNTS}},
        "rows": len(done.choice.rows),
        "numbers": {name: None if one is None else interval_row(one) for name, one in done.numbers.items()},
        "notes": done.notes,
        "recipe": done.recipe.recorded(),
    }


def interval_row(interval: Interval) -> dict[str, float]:
    """Return an interval as files have it."""
    return {"value": interval.estimate, "low": interval.low, "high": interval.high, "n": interval.n}


def require_answered(done: Feedback) -> None:
    """Raise RewardError where more pairs than `max_errors` have no verdict; the rows are written already."""
    if done.errors > done.recipe.max_errors:
        reasons = [why for pool in done.pools for why in pool.reasons.values()]
        said = "{share:.0%} of the pairs have no verdict; the first: {why}"
        raise RewardError(
            message(said, share=done.errors, why=reasons[0] if reasons else ""),
            hint=message("mend the judge and run the same command: what it has answered is kept"),
        )
