"""The rounds: every answer is criticised under its next principle and revised, until nothing is found.

    Case     a prompt with its first answer, its rounds so far and its outcome
    revise   cases -> the same cases, each with an outcome

A prompt ends as revised where at least one revision passed the guard, whatever became of a later round; else
as what its first round ended with. So each prompt is counted once.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from truing.config.constitution import ConstitutionRecipe
from truing.core.languages import Language
from truing.core.messages import message
from truing.core.records import Record
from truing.evals.bench import TaskWatch
from truing.judges.opinions import NoVerdict
from truing.sampling.roles import Attempt, Wish
from truing.sampling.types import OnProgress
from truing.synthesis.constitution.drafts import Draft, RevisionPart
from truing.synthesis.constitution.guard import Drop, Offer, guarded
from truing.synthesis.constitution.principles import Constitutions, Principle
from truing.text.shown import language


class CaseEnd(StrEnum):
    """The ends of a prompt."""

    REVISED = "revised"
    UNCHANGED = "unchanged"  # the critique found nothing
    DROPPED = "dropped"  # by the guard, for a reason
    ERROR = "error"  # a text or a verdict is missing


@dataclass
class CaseRound:
    """One critique and what followed. `finds` is None where there is no critique."""

    principle: Principle
    critique: str = ""
    finds: bool | None = None
    revision: str = ""
    dropped: Drop | None = None
    error: str = ""


@dataclass
class Case:
    """A prompt on its way. `answer` is the first answer, or the last revision that passed."""

    record: Record
    language: str
    principles: Sequence[Principle]  # in the order of the rounds
    initial: str
    answer: str
    rounds: list[CaseRound] = field(default_factory=list)
    outcome: CaseEnd | None = None
    reason: str = ""  # of a drop or an error

    @property
    def revised(self) -> bool:
        return self.answer != self.initial

    @property
    def drawn(self) -> list[str]:
        """The principles of the rounds so far."""
        return [one.principle.id for one in self.rounds]

    @property
    def draft(self) -> Draft:
        return Draft(self.record, self.answer, self.rounds[-1].principle, self.language)

    def end(self, outcome: CaseEnd, reason: str = "") -> None:
        """End the rounds. A prompt with a revision that passed is revised."""
        self.outcome, self.reason = (CaseEnd.REVISED, "") if self.revised else (outcome, reason)

    def unrevised(self, outcome: CaseEnd, reason: str) -> None:
        """Take the revision back: the first answer is the last one too."""
        self.answer, self.outcome, self.reason = self.initial, outcome, reason


def spoken_in(record: Record) -> Language:
    """Return the language that a prompt is in: Chinese by its script, else English."""
    return "zh" if language(record.prompt[-1].content) == "zh" else "en"


def begin(record: Record, initial: Attempt, constitutions: Constitutions, seed: int) -> Case:
    """Return the case of a prompt and its first answer; one without an answer has ended."""
    spoken = spoken_in(record)
    order = constitutions.of(spoken).drawn(record, seed)
    text = "" if isinstance(initial, NoVerdict) else initial.text
    case = Case(record, spoken, order, text, text)
    if isinstance(initial, NoVerdict):
        case.end(CaseEnd.ERROR, initial.reason)
    return case


def revise(
    cases: Sequence[Case],
    critic: RevisionPart,
    reviser: RevisionPart,
    recipe: ConstitutionRecipe,
    watch: TaskWatch,
) -> None:
    """Go through the rounds of all cases; each ends with an outcome."""
    for number in range(recipe.rounds):
        active = [case for case in cases if case.outcome is None]
        if not active:
            return
        for case in active:
            case.rounds.append(CaseRound(case.principles[number % len(case.principles)]))
        _criticise(active, critic, shown(watch, message("criticising, round {n}", n=number + 1)))
        wrong = [case for case in active if case.outcome is None]
        if wrong:
            _rewrite(wrong, reviser, recipe, shown(watch, message("revising, round {n}", n=number + 1)))
    for case in cases:
        if case.outcome is None:
            case.end(CaseEnd.REVISED)


def shown(watch: TaskWatch, title: str) -> OnProgress:
    """Return what shows the parts done of a stage of that title."""
    return lambda done, total: watch(title, done, total)


def _criticise(active: Sequence[Case], critic: RevisionPart, progress: OnProgress) -> None:
    found = critic.critique([case.draft for case in active], progress)
    for case, one in zip(active, found, strict=True):
        last = case.rounds[-1]
        if isinstance(one, NoVerdict):
            last.error = one.reason
            case.end(CaseEnd.ERROR, one.reason)
            continue
        last.critique, last.finds = one.text, one.finds
        if not one.finds:
            case.end(CaseEnd.UNCHANGED)


def _rewrite(
    wrong: Sequence[Case], reviser: RevisionPart, recipe: ConstitutionRecipe, progress: OnProgress
) -> None:
    wish = Wish(1, recipe.temperature, recipe.max_new_tokens, recipe.seed)
    critiques = [case.rounds[-1].critique for case in wrong]
    found = reviser.revise([case.draft for case in wrong], critiques, wish, progress)
    for case, one in zip(wrong, found, strict=True):
        last = case.rounds[-1]
        if isinstance(one, NoVerdict):
            last.error = one.reason
            case.end(CaseEnd.ERROR, one.reason)
            continue
        last.revision = one.text
        offer = Offer(case.draft.asked, case.initial, case.answer, last.critique, one.text)
        last.dropped = guarded(offer, recipe.guard)
        if last.dropped is None:
            case.answer = one.text
        else:
            case.end(CaseEnd.DROPPED, last.dropped.value)
