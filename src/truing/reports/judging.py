"""The page of `truing judge`: the numbers, the audit, and the verdicts that are least certain."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from types import MappingProxyType

from truing.config.run_folder import versions
from truing.core.messages import told
from truing.core.words import spoken, t
from truing.judges.opinions import NoVerdict
from truing.judges.suspicion import suspicion_notes
from truing.reports.recipe import recipe_command, recipe_text
from truing.reports.records import Alarm, Measure, Report, ResponseRow, ResponseTable
from truing.stats.told import interval_text, value_text
from truing.synthesis.judging.audit import AuditNumber, JudgeAudit
from truing.synthesis.judging.kinds import KINDS
from truing.synthesis.judging.rows import shown_first
from truing.synthesis.judging.run import ItemVerdict, JudgedRows
from truing.synthesis.judging.summary import counts, criteria, numbers, suspicious
from truing.text.shown import clipped

SHOWN = 24  # verdicts on the page
MOST = 600  # characters of a response
AUDITED = MappingProxyType(
    {
        "kappa": "Agreement with the labels (kappa)",
        "agreement": "Same verdict as the labels",
        "alpha_ordinal": "Agreement with the labels (ordinal alpha)",
        "position": "Verdicts that change with the places",
        "length": "Longer response wins",
        "self_preference": "Own model's response wins",
        "label_kappa": "Agreement with good and bad labels (kappa)",
        "label_agreement": "Same as the good and bad labels",
        "score_alpha_ordinal": "Agreement with the scores (ordinal alpha)",
        "score_alpha_interval": "Agreement with the scores (interval alpha)",
        "score_length": "Correlation of scores and length",
    }
)
TITLES = MappingProxyType(
    {
        "first_better": "First response better",
        "first_best": "First response above the others",
        "rubric_score": "Rubric met",
        "axis_helpful": "Score: helpful",
        "axis_harmless": "Score: harmless",
        "axis_honest": "Score: honest",
        "axis_overall": "Score: overall",
        **dict.fromkeys((f"panel_alpha_{kind}" for kind in KINDS), "Agreement of the judges (alpha)"),
    }
)
SHARES = ("agreement", "position", "length", "self_preference", "label_agreement")


def judging_report(done: JudgedRows, audits: Sequence[JudgeAudit]) -> Report:
    """Return the report that the page of a judging shows."""
    recipe = done.recipe
    names = ", ".join(role.title for role in done.roles)
    flags = [(audit, flag) for audit in audits for flag in audit.flags]
    return Report(
        title=t("Verdicts of {judges}", judges=names),
        created=datetime.now(UTC),
        command=recipe_command("judge"),
        summary=_summary(done),
        notes=list(_notes(done, audits)),
        alarms=[
            Alarm(t("Bias of {judge}", judge=audit.judge), None, told(flag, spoken()), t(ADVICE))
            for audit, flag in flags
        ],
        measures=[*measures(done), *audited(audits)],
        responses=[ResponseTable("verdicts", [_row(each) for each in shown_first(done.verdicts, SHOWN)])],
        versions=versions(),
        config={"this judging": recipe_text(recipe)},
    )


ADVICE = "Ask another judge, or a panel of models of different makers, before training on these verdicts"


def _summary(done: JudgedRows) -> str:
    found = counts(done)
    said = "{judged} of {items} items have a verdict; {errors} have none."
    return t(said, judged=found["items"] - found["errors"], items=found["items"], errors=found["errors"])


def _notes(done: JudgedRows, audits: Sequence[JudgeAudit]) -> Iterator[str]:
    for role in done.roles:
        report = role.report()
        if report.requests:
            yield t("{judge} was sent {requests} requests.", judge=report.title, requests=report.requests)
        if report.used.total:
            used = {"prompt": report.used.prompt, "completion": report.used.completion}
            said = "{judge} used {prompt} tokens of questions and {completion} of answers."
            yield t(said, judge=report.title, **used)
        if report.cost:
            yield t("{judge} cost {cost} at the given prices.", judge=report.title, cost=f"{report.cost:.4g}")
        yield from (told(note, spoken()) for note in report.notes)
    listed = suspicion_notes([each["place"] for each in suspicious(done)])
    yield from (told(note, spoken()) for note in listed)
    for audit in audits:
        yield from (told(each, spoken()) for each in audit.unmeasured)
    for rate in criteria(done):
        said = "Criterion met by {met} of {of}: {text}"
        flag = {"always": "Always met, it tells no response from another.", "never": "Never met."}
        more = f" {t(flag[rate.flag])}" if rate.flag else ""
        yield t(said, met=rate.met, of=rate.of, text=clipped(rate.text, 120)) + more
    if done.stopped is not None:
        yield told(done.stopped.message, spoken())


def measures(done: JudgedRows) -> Iterator[Measure]:
    """Yield the numbers of a judging as rows of the table."""
    for each in numbers(done):
        worst, best = (value_text(end, each.unit) for end in (each.worst, each.best))
        said = "{n} items have no verdict; they could make it {worst} to {best}."
        missing = t(said, n=each.missing, worst=worst, best=best) if each.missing else ""
        yield Measure(
            each.name, TITLES[each.name], None, each.interval, each.unit, "higher", explains=missing
        )


def audited(audits: Sequence[JudgeAudit]) -> Iterator[Measure]:
    """Yield the numbers of an audit as rows of the table."""
    for audit in audits:
        for number in audit.numbers:
            unit = "%" if number.name in SHARES else ""
            yield Measure(
                f"{audit.judge} {number.name}",
                AUDITED[number.name],
                None,
                number.interval,
                unit,
                "higher",
                explains=_explained(audit, number, unit),
            )


def _explained(audit: JudgeAudit, number: AuditNumber, unit: str) -> str:
    if number.people is None:
        return audit.judge
    people = interval_text(number.people, unit)
    if number.difference is None:
        return t("{judge}. The labels of the same pairs: {people}.", judge=audit.judge, people=people)
    gap = value_text(number.difference.estimate, unit, signed=True)
    ends = [value_text(end, unit, signed=True) for end in (number.difference.low, number.difference.high)]
    said = "{judge}. The labels of the same pairs: {people}; difference {gap} ({low} to {high})."
    return t(said, judge=audit.judge, people=people, gap=gap, low=ends[0], high=ends[1])


def _row(verdict: ItemVerdict) -> ResponseRow:
    value = verdict.value
    said = value.reason if isinstance(value, NoVerdict) else f"{value:.2f}"
    texts = [clipped(text, MOST) for text in verdict.item.texts]
    numbered = "\n\n".join(f"[{place}] {text}" for place, text in enumerate(texts, 1))
    return ResponseRow(
        prompt=clipped(verdict.item.prompt, MOST),
        category=verdict.item.kind,
        responses=[numbered if texts[1:] else texts[0]],
        values=[said],
        changed=False,
    )
