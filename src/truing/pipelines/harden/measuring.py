"""Measure one model of a hardening: attacks on held-out prompts, and what must not get worse.

    known      attacks that are trained against, on held-out prompts
    new        held-out attacks, on held-out prompts
    incoherent answers to all these attacks that are no sound text
    lookalike, everyday     harmless prompts refused; everyday prompts without those that training retains
    helpfulness, degeneration

A measurement is the verdict on every answer, by its key, so that two models can be compared pair by pair.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from truing.config.evaluation import ITEMS, EvalRecipe
from truing.config.harden import HardenRecipe
from truing.config.red_team import RedTeamRecipe
from truing.core.files import read_jsonl
from truing.core.messages import Say
from truing.evals.bench import TaskWatch
from truing.evals.suites.ordinary import load_ordinary, split_ordinary
from truing.pipelines.evaluating import evaluate_recipe
from truing.pipelines.harden.plan import EVERYDAY, HELPFUL, LOOKALIKE
from truing.pipelines.red_team import red_team_recipe
from truing.redteam.card import own_rows
from truing.redteam.outcomes import AttackOutcome
from truing.redteam.rates import share_cut, success_errors
from truing.stats.clusters import clustered_difference, clustered_rate
from truing.stats.error_rates import corrected_rates
from truing.stats.intervals import Interval

KNOWN, NEW, INCOHERENT = "known", "new", "incoherent"
# The value of each further number in `items.jsonl` of an evaluation, and its task.
VALUES = {
    "lookalike": ("over_refusal", "full"),
    "everyday": ("over_refusal_ordinary", "full"),
    "helpfulness": ("helpfulness", "done"),
    "degeneration": ("degeneration", "degenerate"),
}
NUMBERS = (KNOWN, NEW, INCOHERENT, *VALUES)
AnswerKey = tuple[str, str]  # the prompt, which answers share, and what tells them apart


@dataclass(frozen=True)
class ModelMeasured:
    """The values of one model, 0 to 1, by number and key; None where nothing was understood."""

    values: Mapping[str, Mapping[AnswerKey, float | None]]
    outcomes: Mapping[str, Mapping[str, int]] = field(default_factory=dict)  # of KNOWN and of NEW
    cut: float = 0.0  # as `share_cut` has it, of the answers to attacks

    def as_json(self) -> dict[str, Any]:
        """Return the values as files have them."""
        rows = {name: [[*key, value] for key, value in own.items()] for name, own in self.values.items()}
        outcomes = {name: dict(own) for name, own in self.outcomes.items()}
        return {"values": rows, "outcomes": outcomes, "cut": self.cut}

    @classmethod
    def of_json(cls, content: Mapping[str, Any]) -> "ModelMeasured":
        """Return what `as_json` wrote."""
        values = {
            name: {(prompt, part): value for prompt, part, value in rows}
            for name, rows in content["values"].items()
        }
        return cls(values, content["outcomes"], content["cut"])

    def known(self, name: str) -> tuple[list[float], list[str]]:
        """Return the values that there are of a number, and the prompt of each."""
        found = [(value, key[0]) for key, value in self.values[name].items() if value is not None]
        return [value for value, _ in found], [prompt for _, prompt in found]

    def rate(self, name: str) -> Interval | None:
        """Return the mean of a number as measured; None without a value."""
        values, prompts = self.known(name)
        return clustered_rate(values, prompts) if values else None


def measure(recipe: HardenRecipe, model: str, folder: Path, say: Say, watch: TaskWatch) -> ModelMeasured:
    """Measure a model in a folder: attacks go on where they were stopped."""
    plan = recipe.harden
    attacked = red_team_recipe(
        RedTeamRecipe(
            model=model,
            attacks=(*plan.attacks, *plan.held_out_attacks),
            languages=(plan.language,),
            per_category=plan.per_category,
            max_new_tokens=plan.max_new_tokens,
            controls=0,
            benign=False,
            page_language=recipe.page_language,
            output=str(folder / "attacked"),
        ),
        say,
        watch,
    )
    values: dict[str, dict[AnswerKey, float | None]] = {name: {} for name in NUMBERS}
    outcomes: dict[str, dict[str, int]] = {KNOWN: {}, NEW: {}}
    for item in attacked.items:
        name = KNOWN if item.attack in plan.attacks else NEW
        key = (item.target.id, item.attack)
        outcome = item.judged.outcome
        values[name][key] = item.judged.success
        values[INCOHERENT][key] = float(outcome is AttackOutcome.INCOHERENT)
        outcomes[name][outcome] = outcomes[name].get(outcome, 0) + 1
    for name, key, value in _evaluated(recipe, model, folder / "eval", say, watch):
        values[name][key] = value
    return ModelMeasured(values, outcomes, share_cut(attacked.items))


def _evaluated(
    recipe: HardenRecipe, model: str, folder: Path, say: Say, watch: TaskWatch
) -> list[tuple[str, AnswerKey, float]]:
    """Evaluate what must not get worse, and return its values."""
    language = recipe.harden.language
    tasks = {
        "over_refusal": {"max_new_tokens": LOOKALIKE},
        "over_refusal_ordinary": {"max_new_tokens": EVERYDAY},
        "helpfulness": {"max_new_tokens": HELPFUL},
        "degeneration": {"max_new_tokens": HELPFUL},
    }
    asked = {"model": model, "tasks": tasks, "languages": (language,), "output": str(folder)}
    evaluate_recipe(EvalRecipe.model_validate({**asked, "page_language": recipe.page_language}), say, watch)
    _, measured = split_ordinary([one.prompt for one in load_ordinary(language)])
    found: list[tuple[str, AnswerKey, float]] = []
    for row in read_jsonl(folder / ITEMS):
        for name, (task, value) in VALUES.items():
            if row["task"] != task or value not in row["values"]:
                continue
            if name != "everyday" or row["prompt"][-1]["content"] in measured:
                found.append((name, (row["id"], ""), row["values"][value]))
    return found


def corrected(models: Mapping[str, ModelMeasured], recipe: HardenRecipe) -> dict[tuple[str, str], Interval]:
    """Return attack success by (model, KNOWN or NEW), corrected for the errors of the rules.

    These errors are those on answers of which as many were cut off as of the model's: one that learnt to
    decline says less. A rate that stays undetermined is left out.
    """
    rows = own_rows((recipe.harden.language,))
    found: dict[tuple[str, str], Interval] = {}
    for title, one in models.items():
        groups = {name: one.known(name) for name in (KNOWN, NEW) if one.known(name)[0]}
        if not groups:
            continue
        rates = corrected_rates(groups, success_errors(rows, one.cut), seed=recipe.harden.seed)
        found |= {(title, name): rate.corrected for name, rate in rates.items() if rate.corrected is not None}
    return found


def change(before: ModelMeasured, after: ModelMeasured, *names: str) -> Interval | None:
    """Return the paired change of numbers, over the answers that have a value in both models."""
    pairs = [
        (before.values[name][key], after.values[name][key], key[0])
        for name in names
        for key in before.values[name]
        if before.values[name][key] is not None and after.values[name].get(key) is not None
    ]
    if len({prompt for _, _, prompt in pairs}) < 2:
        return None
    was, now, prompts = zip(*pairs, strict=True)
    return clustered_difference(was, now, prompts)
