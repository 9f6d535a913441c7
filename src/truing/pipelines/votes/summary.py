"""All numbers of a project's votes in one record: agreement by question, models, people, and a judge beside.

found = summarise(store)
found.as_row()                 JSON, with every interval and every reason for a missing one
summary_tables(found)          the same as tables in words (`tables.py`)
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from truing.core.messages import Sentence, message
from truing.pipelines.votes.judged import JudgeBesidePeople, judge_beside_people
from truing.pipelines.votes.questions import QuestionVotes, ReadVotes, read_votes
from truing.stats.agreement_table import DRAWS, AgreementRow, agreement_table
from truing.stats.model_strengths import ModelTable, model_strengths
from truing.stats.raters import RaterReport, rater_reports
from truing.store.items import ItemPurpose
from truing.store.project import ProjectStore


@dataclass(frozen=True, slots=True)
class QuestionAgreement:
    """Agreement on one question, and the share of its most frequent answer, which tells kappa from AC1."""

    name: str
    items: int
    several: int  # units with the votes of two people or more
    commonest: str
    share: float  # of the most frequent answer among all
    rows: tuple[AgreementRow, ...]


@dataclass(frozen=True, slots=True)
class NamedRater:
    """A person's numbers with their name."""

    name: str
    report: RaterReport


@dataclass(frozen=True)
class VoteSummary:
    """The numbers of a project at one moment. Votes are first looks at real items that stand, with skips."""

    project: str
    items: int  # real ones
    complete: int  # items with as many votes as the project's overlap
    votes: int
    skips: int
    flagged: int
    questions: tuple[QuestionAgreement, ...]
    models: ModelTable | None
    no_models: Sentence | None  # why there are none
    people: tuple[NamedRater, ...]
    judge: JudgeBesidePeople | None = None

    def as_row(self) -> dict[str, Any]:
        """Return the record as JSON; sentences are English."""
        return _plain(asdict(self))


def summarise(
    store: ProjectStore, judged: Path | str | None = None, *, seed: int = 0, draws: int = DRAWS
) -> VoteSummary:
    """Compute all numbers from the votes that stand; `judged` is a folder of `truing judge` to hold beside.

    Intervals are fixed by their seed.
    """
    read, settings = read_votes(store), store.settings
    names = {person.id: person.name for person in store.people()}
    real = [item for item in read.items.values() if item.purpose is ItemPurpose.REAL]
    no_models = None if read.pairs else message("no vote is on a pair whose two models are named")
    return VoteSummary(
        project=settings.name,
        items=store.count_items()[ItemPurpose.REAL],
        complete=sum(item.votes >= settings.overlap for item in real),
        votes=read.votes,
        skips=read.skips,
        flagged=read.flagged,
        questions=tuple(_agreement(one, seed, draws) for one in read.questions),
        models=model_strengths(read.pairs) if read.pairs else None,
        no_models=no_models,
        people=_people(read, names),
        judge=None if judged is None else judge_beside_people(judged, read, seed=seed, draws=draws),
    )


def _people(read: ReadVotes, names: dict[int, str]) -> tuple[NamedRater, ...]:
    reports = sorted(rater_reports(read.raters), key=lambda one: -one.votes)
    return tuple(NamedRater(names[_number(one)], one) for one in reports)


def _number(report: RaterReport) -> int:
    assert isinstance(report.person, int), "votes are read with the numbers of people"
    return report.person


def _agreement(question: QuestionVotes, seed: int, draws: int) -> QuestionAgreement:
    said = Counter(str(rating) for given in question.given for rating in given.values())
    ((commonest, count),) = said.most_common(1)
    rows = agreement_table(
        question.given,
        question.items,
        labels=question.labels,
        scale=question.scale,
        seed=seed,
        draws=draws,
    )
    several = sum(len(given) > 1 for given in question.given)
    return QuestionAgreement(
        question.name, len(set(question.items)), several, commonest, count / said.total(), tuple(rows)
    )


def _plain(value: Any) -> Any:
    """Return a value of JSON alone: tuples as lists, sentences as text."""
    if isinstance(value, dict):
        return {str(key): _plain(one) for key, one in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_plain(one) for one in value]
    return str(value) if isinstance(value, str) else value
