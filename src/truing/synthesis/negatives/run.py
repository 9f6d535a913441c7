"""Negatives: preference rows of a true answer and a false one, with every row that was read counted.

    rows -> true answers -> false ones -> rows.jsonl

    rows.jsonl      preferences: `chosen` is the true answer, `rejected` the false one
    results.json    the account: rows read = rows made + each reason

The two answers of such a pair are alike, and DPO alone unlearns what both share: arXiv:2402.13228 section 3.
"""

import statistics
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from truing.config.negatives import NegativesRecipe
from truing.core.errors import RewardError
from truing.core.messages import Say, message
from truing.core.records import Record
from truing.evals.bench import TaskWatch
from truing.evals.pair_judges import judge_of
from truing.models.trained import Trained
from truing.rewards.model import model_reward
from truing.sampling.roles import live_of, open_role
from truing.stats.intervals import Interval, wilson
from truing.synthesis.feedback import interval_row, judge_identity, judge_spec
from truing.synthesis.lineage import lineage
from truing.synthesis.negatives.rows import TrueRows, Without, take_rows
from truing.synthesis.negatives.ways import (
    WAYS,
    Falsehood,
    Falsifying,
    TellsWorse,
    tells_by_judge,
    tells_by_reward,
)
from truing.synthesis.prompts import turns
from truing.synthesis.work import WorkFolder, answers_in, work_folder
from truing.text.negatives.make import alike

VERB = "negatives"
# Median share of words in common above which plain DPO unlearns both answers. In the finance example, whose
# answers are 77 % alike, it does.
TOO_ALIKE = 0.75
ERRORS = (Without.FAILED, Without.NO_VERDICT)


@dataclass(frozen=True, slots=True)
class NegativePair:
    """A row that was made, and the share of words that its two answers have in common."""

    record: Record
    false: Falsehood
    alike: float
    row: Mapping[str, Any]


@dataclass(frozen=True)
class Negatives:
    """The outcome. `read` is the number of rows in the files: those made, and each reason in `without`.

    `asked` of them had a true answer that was to be made false.
    """

    recipe: NegativesRecipe
    path: Path
    pairs: list[NegativePair]
    read: int
    asked: int
    without: Counter[Without]
    notes: list[str]

    @property
    def rows(self) -> list[dict[str, Any]]:
        """The rows as `rows.jsonl` has them."""
        return [dict(pair.row) for pair in self.pairs]

    @property
    def made(self) -> Interval:
        """The share of the rows within the limit that got a false answer."""
        return wilson(len(self.pairs), self.read - self.without[Without.BEYOND])

    @property
    def alike(self) -> float | None:
        """The median share of words that the two answers of a row have in common."""
        return statistics.median(pair.alike for pair in self.pairs) if self.pairs else None

    @property
    def too_alike(self) -> bool:
        return self.alike is not None and self.alike > TOO_ALIKE

    @property
    def rules(self) -> Counter[str]:
        """The number of changes by each rule."""
        changes = {
            (place, edit["change"]): edit["rule"]
            for place, pair in enumerate(self.pairs)
            for edit in pair.false.facts.get("edits", ())
        }
        return Counter(changes.values())

    @property
    def errors(self) -> float:
        """The share of `asked` for which a model gave no text or no verdict."""
        return sum(self.without[reason] for reason in ERRORS) / self.asked


def make_negatives(
    recipe: NegativesRecipe,
    say: Say,
    watch: TaskWatch,
    opened: Mapping[str, Trained] = MappingProxyType({}),
) -> Negatives:
    """Make the rows of a recipe in its folder `output`; the same call goes on where another was stopped.

    `opened` holds models in memory, by the name that the recipe has for them. Raises ConfigError, DataError
    and ModelError before any model is asked, and RewardError where a budget is used up.
    """
    rows = take_rows(recipe, say)
    judge = None if recipe.judge is None else judge_spec(recipe.judge)
    spec = {"rules": None, "writer": recipe.writer, "samples": recipe.policy}[recipe.by]
    answers = answers_in(recipe.output)
    role = None if spec is None else open_role(spec, answers, live_of(spec, opened))
    asked = {
        "recipe": recipe.recorded(),
        "inputs": rows.prompts.inputs,
        "evaluations": rows.evaluations,
        "role": None if role is None else dict(role.identity),
        "judge": None if judge is None else judge_identity(judge),
    }
    with work_folder(recipe.output, VERB, asked) as folder:
        making = Falsifying(recipe, role, _worse(judge, folder, say), watch)
        done = _collected(making, rows, folder.path, asked)
        folder.write_rows(done.rows)
        folder.write_results(as_json(done))
    return done


def _worse(judge: Mapping[str, Any] | None, folder: WorkFolder, say: Say) -> TellsWorse | None:
    if judge is None:
        return None
    if judge.get("name") == "model":
        return tells_by_reward(model_reward(None, say, path=str(judge["path"])))
    return tells_by_judge(judge_of(judge)(folder.path))


def _collected(making: Falsifying, rows: TrueRows, path: Path, asked: Mapping[str, Any]) -> Negatives:
    recipe = making.recipe
    records = rows.prompts.records
    without = Counter(rows.without)
    pairs: list[NegativePair] = []
    facts: dict[str, Any] = {"by": recipe.by, "seed": recipe.seed}
    facts |= {key: asked[name] for key, name in (("writer", "role"), ("judge", "judge")) if asked[name]}
    for record, made in zip(records, WAYS[recipe.by](making, records), strict=True):
        if isinstance(made, Without):
            without[made] += 1
            continue
        share = alike(record.chosen.text, made.text)
        told = lineage(VERB, rows.prompts, record, **facts, **made.facts, alike=round(share, 4))
        pairs.append(NegativePair(record, made, share, _row(record, made, told)))
    assert rows.read == len(pairs) + without.total()
    done = Negatives(recipe, path, pairs, rows.read, len(records), without, [])
    done.notes.extend(_notes(done))
    return done


def _row(record: Record, made: Falsehood, told: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "prompt": turns(record),
        "chosen": record.chosen.text,
        "rejected": made.text,
        **({"category": record.category} if record.category else {}),
        "lineage": dict(told),
    }


def _notes(done: Negatives) -> Sequence[str]:
    notes: list[str] = []
    if done.too_alike:
        said = (
            "Too alike: the two answers of a row have {share:.0%} of their words in common. DPO alone"
            " then lowers the likelihood of both, which the health rule likelihood_displacement finds"
            " (docs/health.md). train.yaml sets loss.sft_weight: 1.0, which holds the true answer; so does"
            " loss.name: dpo_positive, and data.tokens: differing learns from the changed tokens."
        )
        notes.append(message(said, share=done.alike))
    return notes


def as_json(done: Negatives) -> dict[str, Any]:
    """Return all counts and numbers for scripts."""
    return {
        "read": done.read,
        "rows": len(done.pairs),
        "without": {reason.value: n for reason, n in sorted(done.without.items()) if n},
        "made": interval_row(done.made),
        "alike": done.alike,
        "rules": dict(done.rules),
        "notes": done.notes,
        "recipe": done.recipe.recorded(),
    }


def require_answered(done: Negatives) -> None:
    """Raise RewardError where models failed on more than `max_errors`; the rows are written already."""
    if done.errors > done.recipe.max_errors:
        said = "{share:.0%} of the rows have no text or no verdict of a model"
        raise RewardError(
            message(said, share=done.errors),
            hint=message("mend the model and run the same command: what it has answered is kept"),
        )
