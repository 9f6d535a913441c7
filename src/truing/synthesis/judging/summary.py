"""The numbers of a judging: counts that add up, means with intervals, and how often each criterion is met."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

from truing.judges.axes import SCALES
from truing.judges.opinions import NoVerdict
from truing.judges.panel import panel_agreement
from truing.judges.rubrics import ItemRate, RubricVerdict, pass_rates
from truing.judges.suspicion import suspicions
from truing.stats.clusters import clustered_mean, clustered_rate, measured
from truing.stats.intervals import Interval
from truing.synthesis.feedback import interval_row
from truing.synthesis.judging.audit import JudgeAudit
from truing.synthesis.judging.run import ItemVerdict, JudgedRows


@dataclass(frozen=True, slots=True)
class JudgedNumber:
    """One number. Values in unit "%" are shares between 0 and 1."""

    name: str
    unit: str
    interval: Interval
    missing: int  # items without a verdict, which it leaves out
    worst: float  # the number if every missing verdict were the worst there is
    best: float


def counts(done: JudgedRows) -> dict[str, Any]:
    """Return the items by kind, and of each kind those with a verdict and without."""
    kinds: dict[str, dict[str, int]] = {}
    for verdict in done.verdicts:
        kind = kinds.setdefault(verdict.item.kind, {"items": 0, "judged": 0, "errors": 0})
        kind["items"] += 1
        kind["errors" if isinstance(verdict.value, NoVerdict) else "judged"] += 1
    return {"rows_left_out": done.unfit, "items": len(done.verdicts), "errors": len(done.errors), **kinds}


def reasons(done: JudgedRows) -> dict[str, int]:
    """Return how often each reason of a missing verdict occurs, the most frequent first."""
    found = Counter(each.value.reason for each in done.errors if isinstance(each.value, NoVerdict))
    return dict(found.most_common(20))


def suspicious(done: JudgedRows) -> list[dict[str, Any]]:
    """Return the place of every response that speaks to the judge, its number in the row, and how."""
    return [
        {"place": verdict.item.record.place, "response": number, "why": why}
        for verdict in done.verdicts
        for number, text in enumerate(verdict.item.texts, 1)
        if (why := suspicions(text))
    ]


def numbers(done: JudgedRows) -> list[JudgedNumber]:
    """Return the numbers of every kind that was asked."""
    found: list[JudgedNumber] = []
    if pairs := done.of("pairwise"):
        found += _of(pairs, "first_better", "%", _value)
    if rankings := done.of("ranking"):
        found += _of(rankings, "first_best", "%", _value)
    if checked := done.of("rubric"):
        found += _of(checked, "rubric_score", "%", _value)
    if scored := done.of("axes"):
        for name in done.recipe.axes:
            found += _of(scored, f"axis_{name}", "", partial(_axis, name), *SCALES[done.recipe.scale])
    found += _agreement(done)
    return found


def _value(verdict: ItemVerdict) -> float | None:
    return None if isinstance(verdict.value, NoVerdict) else verdict.value


def _axis(name: str, verdict: ItemVerdict) -> float | None:
    scores = [one[name] for one in verdict.found if isinstance(one, dict)]
    return sum(scores) / len(scores) if scores else None


def _of(
    verdicts: Sequence[ItemVerdict], name: str, unit: str, value: Any, worst: float = 0.0, best: float = 1.0
) -> list[JudgedNumber]:
    values, prompts = [value(each) for each in verdicts], [each.item.prompt for each in verdicts]
    with_value = {prompt for one, prompt in zip(values, prompts, strict=True) if one is not None}
    if len(with_value) < (1 if unit == "%" else 2):  # a mean needs two prompts for its interval
        return []
    interval = clustered_rate if unit == "%" else clustered_mean
    found = measured(values, prompts, interval, worst=worst, best=best)
    assert found.interval is not None
    return [JudgedNumber(name, unit, found.interval, found.missing, found.worst, found.best)]


def _agreement(done: JudgedRows) -> list[JudgedNumber]:
    if len(done.roles) < 2:
        return []
    found = []
    for kind in done.kinds:
        verdicts = done.of(kind)
        by_judge = [[each.values[place] for each in verdicts] for place in range(len(done.roles))]
        alpha = panel_agreement(by_judge, "interval", [each.item.prompt for each in verdicts])
        if alpha is not None:
            found.append(JudgedNumber(f"panel_alpha_{kind}", "", alpha.coefficient, alpha.single, -1.0, 1.0))
    return found


def criteria(done: JudgedRows) -> list[ItemRate]:
    """Return how often each criterion of a rubric is met, over all judges."""
    found = [one for each in done.of("rubric") for one in each.found]
    return pass_rates([one for one in found if isinstance(one, RubricVerdict)])


def results(done: JudgedRows, audits: Sequence[JudgeAudit]) -> dict[str, Any]:
    """Return the content of `results.json`."""
    return {
        "counts": counts(done),
        "reasons": reasons(done),
        "suspicious": suspicious(done),
        "numbers": {
            each.name: {
                **interval_row(each.interval),
                "unit": each.unit,
                "missing": each.missing,
                "worst": each.worst,
                "best": each.best,
            }
            for each in numbers(done)
        },
        "criteria": [{**asdict(rate), "flag": rate.flag} for rate in criteria(done)],
        "judges": [_judge(done, place) for place in range(len(done.roles))],
        "audit": [_audited(each) for each in audits],
        "stopped": None if done.stopped is None else str(done.stopped),
    }


def _judge(done: JudgedRows, place: int) -> dict[str, Any]:
    role = done.roles[place]
    report = role.report()
    return {
        "judge": report.title,
        "identity": dict(role.identity),
        "answered": report.answered,
        "failed": report.failed,
        "requests": report.requests,
        "prompt_tokens": report.used.prompt,
        "completion_tokens": report.used.completion,
        "cost": report.cost,
        "at_once": report.at_once,
        "halved": report.halved,
        "notes": [str(note) for note in report.notes],
    }


def _audited(audit: JudgeAudit) -> dict[str, Any]:
    return {
        "judge": audit.judge,
        "numbers": {
            each.name: {
                **interval_row(each.interval),
                "people": None if each.people is None else interval_row(each.people),
                "difference": None if each.difference is None else interval_row(each.difference),
            }
            for each in audit.numbers
        },
        "flags": [str(flag) for flag in audit.flags],
        "unmeasured": [str(each) for each in audit.unmeasured],
    }
