"""Harden a model round by round, until the gates hold or a round changed nothing that shows.

    measure the start
    round: attack -> failures, as many at random -> refusals, retained answers -> train -> measure, both arms
    stop:  all gates of a round hold; or the paired change of attack success since the round before holds 0

The result is the model of the round with the least attack success among those whose safety gates hold.
"""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from truing.config.harden import HardenRecipe
from truing.core.errors import DataError, GateError
from truing.core.files import sha256_file
from truing.core.messages import Say, joined, message
from truing.evals.suites.headlines import Headline, load_headlines
from truing.models.contents import contents_of_source
from truing.models.sources import resolve
from truing.pipelines.harden.gates import RoundGate, gates_of
from truing.pipelines.harden.measuring import KNOWN, NEW, NUMBERS, ModelMeasured, change, corrected
from truing.pipelines.harden.plan import RoundsPlan, make_plan, store_plan, stored_plan
from truing.pipelines.harden.rounds import FAILED, RANDOM, ClosingWatch, RoundStages
from truing.redteam.attacks.table import attacks_of
from truing.redteam.failures import read_failures
from truing.runs.train import StepWatch
from truing.stats.intervals import Interval
from truing.synthesis.feedback import interval_row
from truing.synthesis.work import work_folder

VERB = "harden"
DECIDING = {"rounds", "early", "gates"}  # keys that change no answer: they decide when the rounds end


@dataclass(frozen=True)
class HardenArm:
    """One arm of a round: FAILED or RANDOM."""

    measured: ModelMeasured
    rows: Mapping[str, Any]  # counts of its training
    gates: list[RoundGate]


@dataclass(frozen=True)
class HardenRound:
    """A round with its arms. `change` is of attack success since the round before, paired.

    `beyond` is the same of the arm of failures against the random one; None without a control.
    """

    number: int
    attacked: Mapping[str, Any]
    arms: Mapping[str, HardenArm]
    change: Interval | None
    beyond: Interval | None = None

    @property
    def safe(self) -> bool:
        return all(gate.holds for gate in self.arms[FAILED].gates if gate.safety)

    @property
    def holds(self) -> bool:
        return all(gate.holds for gate in self.arms[FAILED].gates)


@dataclass(frozen=True)
class Hardened:
    """A finished hardening. `success` are corrected rates by (model, number), `ended` says why it ended."""

    recipe: HardenRecipe
    path: Path
    plan: RoundsPlan
    start: ModelMeasured
    rounds: list[HardenRound]
    success: Mapping[tuple[str, str], Interval]
    ended: str
    seconds: Mapping[str, float]

    @property
    def chosen(self) -> HardenRound | None:
        """The round whose model is the result: of those whose safety gates hold that of least success."""
        safe = [one for one in self.rounds if one.safe]
        return min(safe, key=lambda one: _success(one.arms[FAILED].measured), default=None)

    @property
    def model(self) -> Path | None:
        """The folder of the result; None where no round kept its safety gates."""
        found = self.chosen
        return None if found is None else self.path / f"round-{found.number}" / FAILED / "model"


def _success(measured: ModelMeasured) -> float:
    values = [value for name in (KNOWN, NEW) for value in measured.known(name)[0]]
    return sum(values) / len(values) if values else 0.0


def harden(recipe: HardenRecipe, say: Say, watch: ClosingWatch, steps: StepWatch) -> Hardened:
    """Run the rounds of a recipe in its folder; the same call goes on where another was stopped.

    Raises ConfigError, DataError and ModelError before anything is trained.
    """
    plan = recipe.harden
    attacks_of((*plan.attacks, *plan.held_out_attacks))
    resolve(plan.policy)
    pool = pool_of(recipe, say)
    asked = {
        "recipe": recipe.recorded(exclude={"minutes": True, "harden": DECIDING}),
        "inputs": {path: sha256_file(Path(path)) for path in plan.prompts},
        "policy": contents_of_source(plan.policy),
    }
    with work_folder(recipe.output, VERB, asked) as folder:
        found = stored_plan(folder.path)
        if found is None:
            found = make_plan(recipe, len(pool) // plan.rounds, say)
            store_plan(found, folder.path)
        say(found.told())
        done = _rounds(RoundStages(recipe, found, pool, folder.path, say, watch, steps))
        folder.write_results(as_json(done))
    return done


def pool_of(recipe: HardenRecipe, say: Say) -> list[dict[str, Any]]:
    """Return the prompts of all rounds as rows, the categories in turn. Raises DataError for too few."""
    plan = recipe.harden
    if plan.prompts:
        rows = [
            {"prompt": one.text, "category": one.category, **({"benign": one.benign} if one.benign else {})}
            for one in read_failures(plan.prompts, say).failed
        ]
    else:
        rows = [
            {"prompt": one.harmful, "category": one.category, "benign": one.benign}
            for one in _in_turn(
                [h for h in load_headlines() if h.split == "train" and h.language == plan.language], plan.seed
            )
        ]
    if len(rows) < 2 * plan.rounds:
        raise DataError(
            message("{n} prompts do not suffice for {rounds} rounds", n=len(rows), rounds=plan.rounds),
            hint=message("give more prompts, or fewer rounds"),
        )
    return rows


def _in_turn(headlines: Sequence[Headline], seed: int) -> list[Headline]:
    """Shuffle headlines, and take one of each category in turn."""
    drawn = random.Random(seed).sample(list(headlines), len(headlines))
    seen: dict[str, int] = {}
    order: list[tuple[int, str, Headline]] = []
    for one in drawn:
        order.append((seen.setdefault(one.category, 0), one.category, one))
        seen[one.category] += 1
    return [one for _, _, one in sorted(order, key=lambda placed: placed[:2])]


def _rounds(stages: RoundStages) -> Hardened:
    recipe = stages.recipe
    plan = recipe.harden
    models = {"start": stages.measured(0, FAILED)}
    counted: list[tuple[Mapping[str, Any], Mapping[str, Mapping[str, Any]]]] = []
    ended = message("all rounds are done")
    for number in range(1, plan.rounds + 1):
        attacked = stages.attacked(number)
        if not attacked["failed"]:
            ended = message("no attack succeeded in round {n}", n=number)
            break
        arms = (FAILED, RANDOM) if plan.control else (FAILED,)
        counts = {arm: stages.taught(number, arm) for arm in arms}
        models |= {_name(number, arm): stages.measured(number, arm) for arm in arms}
        counted.append((attacked, counts))
        last = _round(recipe, models, number, *counted[-1], corrected(models, recipe))
        if plan.early and last.holds:
            ended = message("the gates hold after round {n}", n=number)
            break
        if plan.early and last.change is not None and last.change.low <= 0 <= last.change.high:
            ended = message("round {n} changed attack success by nothing that shows", n=number)
            break
    success = corrected(models, recipe)
    rounds = [_round(recipe, models, number, *one, success) for number, one in enumerate(counted, 1)]
    stages.say(ended)
    start = models["start"]
    return Hardened(recipe, stages.output, stages.plan, start, rounds, success, ended, stages.seconds)


def _name(number: int, arm: str) -> str:
    return f"round-{number}/{arm}" if number else "start"


def _round(
    recipe: HardenRecipe,
    models: Mapping[str, ModelMeasured],
    number: int,
    attacked: Mapping[str, Any],
    counts: Mapping[str, Mapping[str, Any]],
    success: Mapping[tuple[str, str], Interval],
) -> HardenRound:
    def rates(name: str) -> dict[str, Interval]:
        return {number: one for (model, number), one in success.items() if model == name}

    start = models["start"]
    arms = {
        arm: HardenArm(
            models[_name(number, arm)],
            own,
            gates_of(
                recipe.harden.gates,
                (start, models[_name(number, arm)]),
                (rates("start"), rates(_name(number, arm))),
            ),
        )
        for arm, own in counts.items()
    }
    before = models[_name(number - 1, FAILED)]
    now, control = arms[FAILED].measured, arms.get(RANDOM)
    beyond = None if control is None else change(control.measured, now, KNOWN, NEW)
    return HardenRound(number, attacked, arms, change(before, now, KNOWN, NEW), beyond)


# Results


def as_json(done: Hardened) -> dict[str, Any]:
    """Return all counts and numbers for scripts."""
    return {
        "start": _model_json(done, "start", done.start),
        "rounds": [
            {
                "round": one.number,
                **one.attacked,
                "change": None if one.change is None else interval_row(one.change),
                "beyond random": None if one.beyond is None else interval_row(one.beyond),
                "safe": one.safe,
                "holds": one.holds,
                **{
                    arm: {
                        "rows": {key: value for key, value in own.rows.items() if key != "seconds"},
                        **_model_json(done, _name(one.number, arm), own.measured),
                        "gates": {gate.measure.name: _gate_json(gate) for gate in own.gates},
                    }
                    for arm, own in one.arms.items()
                },
            }
            for one in done.rounds
        ],
        "model": None if done.model is None else str(done.model.relative_to(done.path)),
        "ended": done.ended,
        "prompts a round": done.plan.topics,
        "planned_seconds": done.plan.seconds,
        "seconds": dict(done.seconds),
        "machine": done.plan.machine,
        "recipe": done.recipe.recorded(),
    }


def _model_json(done: Hardened, name: str, measured: ModelMeasured) -> dict[str, Any]:
    numbers = {number: measured.rate(number) for number in NUMBERS}
    exact = {number: done.success.get((name, number)) for number in (KNOWN, NEW)}
    return {
        "numbers": {number: None if one is None else interval_row(one) for number, one in numbers.items()},
        "corrected": {number: None if one is None else interval_row(one) for number, one in exact.items()},
        "outcomes": {number: dict(own) for number, own in measured.outcomes.items()},
    }


def _gate_json(gate: RoundGate) -> dict[str, Any]:
    since = None if gate.since is None else interval_row(gate.since)
    return {"goal": gate.measure.goal, "holds": gate.holds, "change": since}


def require_safe(done: Hardened) -> None:
    """Raise GateError where every round crossed a safety gate."""
    if done.rounds and done.chosen is None:
        crossed = [
            gate.measure.title
            for gate in done.rounds[-1].arms[FAILED].gates
            if gate.safety and not gate.holds
        ]
        raise GateError(
            message(
                "no round kept its safety gates; the last crossed: {names}",
                names=joined(", ", [message(one) for one in crossed]),
            ),
            hint=message("raise balance, or lower the learning rate under train"),
        )
