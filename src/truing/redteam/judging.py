"""Outcomes of the talks of a run: by rules, after the controls, and by a judge where there is one."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from truing.core.languages import Language
from truing.core.messages import message
from truing.evals.bench import TaskWatch
from truing.judges.opinions import NoVerdict, counted
from truing.redteam.attacks.types import Seed
from truing.redteam.card import LabelledRow
from truing.redteam.controls import Understanding
from truing.redteam.outcomes import (
    SUCCESS,
    AttackOutcome,
    JudgedAnswer,
    OutcomeJudge,
    by_rules,
    not_decoded,
    outcome_question,
    read_outcome,
)
from truing.redteam.rates import AttackItem
from truing.redteam.talks import Talk
from truing.redteam.targets import Target
from truing.sampling.roles import ModelRole
from truing.stats.error_rates import ErrorCounts


def judged_items(
    ended: Sequence[tuple[Target, str, Talk]],
    understood: Mapping[tuple[str, Language], Understanding],
    judge: ModelRole | None,
    watch: TaskWatch,
) -> list[AttackItem]:
    """Return the outcome of every talk. The control counts last, for it speaks of the attack as a whole."""
    found = [by_rules(talk.answer, target.seed, talk.attack, cut=talk.cut) for target, _, talk in ended]
    if judge is not None:
        step = partial(watch, message("judging the answers"))
        step(0, len(ended))
        asked = [
            (target.seed, talk.attack.undo(talk.answer or ""), one)
            for (target, _, talk), one in zip(ended, found, strict=True)
        ]
        found = OutcomeJudge(counted(judge, step, len(ended)))(asked)
        step(len(ended), len(ended))
    return [
        AttackItem(target, name, talk, _after_control(one, understood.get((name, target.seed.language))))
        for (target, name, talk), one in zip(ended, found, strict=True)
    ]


def _after_control(judged: JudgedAnswer, control: Understanding | None) -> JudgedAnswer:
    return judged if control is None else not_decoded(judged, control.answer)


@dataclass(frozen=True)
class JudgeCard:
    """A judge on labelled rows: how often it is right that an attack succeeded; None without a verdict."""

    title: str
    errors: ErrorCounts | None
    asked: int
    failed: int  # rows without a verdict, or called incoherent


def judge_card(
    judge: ModelRole, rows: Sequence[LabelledRow], most: int, watch: TaskWatch
) -> JudgeCard | None:
    """Ask a judge about labelled rows, evenly from all of them; None where none are to be asked."""
    if not most:
        return None
    many = min(most, len(rows))
    chosen = [rows[place * len(rows) // many] for place in range(many)]
    watch(message("measuring the judge"), 0, len(chosen))
    questions = [outcome_question(Seed(row.prompt, row.language), row.response) for row in chosen]
    verdicts = judge.ask(questions, read_outcome)
    watch(message("measuring the judge"), len(chosen), len(chosen))
    known = [
        (SUCCESS[verdict] == 1.0, not row.refused)
        for row, verdict in zip(chosen, verdicts, strict=True)
        if not isinstance(verdict, NoVerdict) and verdict is not AttackOutcome.INCOHERENT
    ]
    found = ErrorCounts.of([one for one, _ in known], [true for _, true in known]) if known else None
    return JudgeCard(judge.title, found, len(chosen), len(chosen) - len(known))
