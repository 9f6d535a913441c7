"""The numbers of votes as tables in words, for the terminal and for a page.

A table's first column names the row. A cell is text; one with an interval also has its ends as numbers.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from truing.core.messages import told
from truing.core.words import sentences, spoken, t
from truing.pipelines.votes.questions import PAIR, RANKING, RATING, SAFETY
from truing.pipelines.votes.summary import QuestionAgreement, VoteSummary
from truing.stats.agreement_table import AgreementRow
from truing.stats.intervals import Interval
from truing.stats.model_strengths import ModelTable
from truing.stats.told import range_text, value_text

NONE = "\N{EM DASH}"
DOMINANT = 0.9  # share of one answer from which kappa and alpha mislead


@dataclass(frozen=True, slots=True)
class VoteCell:
    """A value in words, with its interval in words and as numbers."""

    text: str
    interval: str = ""
    low: float | None = None
    middle: float | None = None
    high: float | None = None


@dataclass(frozen=True, slots=True)
class VoteTable:
    """A table and what explains it. Numbers of its cells lie on one scale, from `least` to `most`."""

    title: str
    explains: str
    columns: tuple[str, ...]
    rows: tuple[tuple[VoteCell, ...], ...]
    least: float = 0.0
    most: float = 1.0


def summary_tables(found: VoteSummary) -> list[VoteTable]:
    """Return the tables of a summary in the language spoken: progress, agreement, models, people, judge."""
    return [
        _progress(found),
        *(_agreement(one) for one in found.questions),
        *([_models(found.models)] if found.models else []),
        *([_people(found)] if found.people else []),
        *_judge(found),
    ]


def coefficient_title(name: str) -> str:
    """Return the title of a coefficient of `agreement_table`."""
    titles = {
        "equal": t("Equal answers"),
        "cohen_kappa": t("Cohen's kappa"),
        "fleiss_kappa": t("Fleiss' kappa"),
        "alpha_nominal": t("Krippendorff's alpha, nominal"),
        "alpha_ordinal": t("Krippendorff's alpha, ordinal"),
        "alpha_interval": t("Krippendorff's alpha, interval"),
        "ac1": t("Gwet's AC1"),
        "ac2": t("Gwet's AC2, ordinal"),
    }
    return titles[name]


def question_title(name: str) -> str:
    """Return the title of a question of `read_votes`."""
    titles = {
        PAIR: t("Agreement on pairs"),
        RANKING: t("Agreement on each two responses of a ranking"),
        SAFETY: t("Agreement on safety"),
    }
    axis = name.removeprefix(RATING.format(axis=""))
    return titles.get(name) or t("Agreement on ratings: {axis}", axis=axis)


def _number(interval: Interval | None, unit: str, why: str | None = None) -> VoteCell:
    if interval is None:
        return VoteCell(NONE, told(why, spoken()) if why else "")
    return VoteCell(
        value_text(interval.estimate, unit),
        t("{range}, n {n}", range=range_text(interval, unit), n=f"{interval.n:,}"),
        interval.low,
        interval.estimate,
        interval.high,
    )


def _progress(found: VoteSummary) -> VoteTable:
    counts = {
        t("Items"): found.items,
        t("Items with all their votes"): found.complete,
        t("Votes"): found.votes,
        t("Skipped"): found.skips,
        t("Items that somebody flagged"): found.flagged,
    }
    rows = tuple((VoteCell(name), VoteCell(f"{count:,}")) for name, count in counts.items())
    why = told(found.no_models, spoken()) if found.no_models and found.votes else ""
    return VoteTable(t("Votes of {project}", project=found.project), why, ("", t("Count")), rows)


def _agreement(found: QuestionAgreement) -> VoteTable:
    explains = t(
        "{items} items; {several} questions on them have two votes or more. 1 is perfect, 0 is chance.",
        several=f"{found.several:,}",
        items=f"{found.items:,}",
    )
    if found.share >= DOMINANT:
        warning = t(
            "{share} of the answers are {answer}, which pulls kappa and alpha to 0; read AC1 or AC2.",
            share=value_text(found.share, "%"),
            answer=found.commonest,
        )
        explains = sentences([explains, warning])
    return VoteTable(
        question_title(found.name),
        explains,
        (t("Coefficient"), t("Value")),
        tuple(_coefficients(found.rows)),
        least=-1.0,
    )


def _coefficients(rows: tuple[AgreementRow, ...]) -> Iterator[tuple[VoteCell, ...]]:
    for row in rows:
        unit = "%" if row.name == "equal" else ""
        yield VoteCell(coefficient_title(row.name)), _number(row.interval, unit, row.undefined)


def _models(table: ModelTable) -> VoteTable:
    rows = [
        (
            VoteCell(one.model),
            _number(one.strength, "", one.undefined),
            VoteCell(f"{one.wins:,} · {one.ties:,} · {one.losses:,}"),
            _number(one.bad_rate, "%"),
        )
        for one in table.models
    ]
    ends = [end for one in table.models if one.strength for end in (one.strength.low, one.strength.high)]
    explains = [
        t("Log-odds against the mean of the models (Bradley-Terry with ties); intervals are over people."),
        *(told(note, spoken()) for note in table.notes),
    ]
    columns = (t("Model"), t("Strength"), t("Won · tied · lost"), t("Both bad"))
    least, most = min(ends, default=0.0), max(ends, default=1.0)
    return VoteTable(t("Models"), sentences(explains), columns, tuple(rows), least, most)


def _people(found: VoteSummary) -> VoteTable:
    rows: list[tuple[VoteCell, ...]] = []
    for one in found.people:
        report = one.report
        seconds = NONE if report.seconds is None else t("{seconds} s", seconds=f"{report.seconds:.1f}")
        rows.append(
            (
                VoteCell(one.name),
                VoteCell(f"{report.votes:,}"),
                VoteCell(seconds),
                _number(report.others, "%"),
                _number(report.position, "%"),
                _number(report.gold, "%"),
                _number(report.self_agreement, "%"),
                VoteCell(sentences([told(flag, spoken()) for flag in report.flags])),
            )
        )
    columns = (
        t("Person"),
        t("Votes"),
        t("Median time"),
        t("As the others"),
        t("First side chosen"),
        t("Gold items right"),
        t("Second look alike"),
        t("Worth a look"),
    )
    explains = t("A flag is a reason to talk with somebody, not a verdict.")
    return VoteTable(t("People"), explains, columns, tuple(rows))


def _judge(found: VoteSummary) -> Iterator[VoteTable]:
    if found.judge is None:
        return
    joined = t(
        "{joined} items have both a verdict and an answer of most people.", joined=f"{found.judge.joined:,}"
    )
    columns = (t("Coefficient"), t("Value"))
    yield VoteTable(
        t("The judge beside people"), joined, columns, tuple(_coefficients(found.judge.rows)), -1.0
    )
    if found.judge.apart:
        rows = tuple(
            (
                VoteCell(str(one.item)),
                VoteCell(one.people),
                VoteCell(one.judge),
                VoteCell(value_text(one.value, "%")),
                VoteCell(f"{one.votes:,}"),
            )
            for one in found.judge.apart
        )
        columns = (t("Item"), t("People"), t("Judge"), t("Judge: first is better"), t("Votes"))
        yield VoteTable(t("Where the judge and people part"), "", columns, rows)
