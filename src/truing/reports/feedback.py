"""The page of feedback: the account of every pair, the numbers, and every response with its strength."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Literal

from truing.config.run_folder import versions
from truing.core.messages import told
from truing.core.words import spoken, t
from truing.reports.recipe import recipe_command, recipe_text
from truing.reports.records import DataCount, MadePart, MadeRow, MadeTable, Measure, Report
from truing.stats.intervals import Interval
from truing.synthesis.choosing import COUNTS
from truing.synthesis.feedback import Feedback

ASIDE = "equal, empty, unreadable or failed"
SHOWN = 100  # prompts whose responses the page shows
STRENGTH = (
    "Strength in log-odds, with its 95 % interval, among the responses to one prompt: "
    "one that leads by 1.1 wins three comparisons in four."
)
# Of each number: the title, the unit, which way is better, and the meaning.
NUMBERS: dict[str, tuple[str, str, Literal["higher", "lower"], str]] = {
    "preference": (
        "Preference of the chosen response",
        "%",
        "higher",
        "Mean probability that the chosen response is preferred, as the fit of all comparisons has it.",
    ),
    "longer_chosen": (
        "Chosen response is longer",
        "%",
        "lower",
        "Share of rows whose chosen response is the longer one; far above 50 % the rows teach length.",
    ),
    "above_control": (
        "Strength above the random control",
        "",
        "higher",
        "Mean strength of the chosen responses minus that of as many drawn at random. The judge that chose "
        "them measures this: train on both files and compare the models.",
    ),
}
COUNTED = {
    "kept": "kept",
    "not_chosen": "not chosen",
    "equal": "equal texts",
    "ties": "ties",
    "unsure": "unsure",
    "errors": "errors",
}


def feedback_report(done: Feedback) -> Report:
    """Return the report that the page shows."""
    pairs = done.choice.pairs
    account = ", ".join(f"{pairs[name]} {t(COUNTED[name])}" for name in COUNTS)
    said = "{n} rows of {prompts} prompts; {compared} pairs = {account}."
    return Report(
        title=t("Feedback of {judge}", judge=_judge(done)),
        created=datetime.now(UTC),
        command=recipe_command("feedback"),
        summary=t(
            said, n=len(done.rows), prompts=len(done.pools), compared=done.choice.compared, account=account
        ),
        notes=[told(note, spoken()) for note in done.notes],
        measures=list(_measures(done)),
        made=[MadeTable(t("Responses by strength"), t(STRENGTH), list(_responses(done)))],
        data=list(_data(done)),
        versions=versions(),
        config={t("this feedback"): recipe_text(done.recipe)},
    )


def _judge(done: Feedback) -> str:
    spec = done.recipe.judge
    if isinstance(spec, str):
        return spec
    return str(spec.get("model") or spec.get("path") or spec.get("name"))


def _measures(done: Feedback) -> Iterator[Measure]:
    for name, interval in done.numbers.items():
        if interval is None:
            continue
        if name.startswith("won/"):
            policy = name.removeprefix("won/")
            title, unit, better = t("{policy} preferred to the others", policy=policy), "%", "higher"
            explains = t("Share of its comparisons with the other policies that it wins; a tie is a half.")
        else:
            title, unit, better, explains = NUMBERS[name]
            explains = t(explains)
        yield Measure(name, title, None, interval, unit, better, explains=explains)


def _responses(done: Feedback) -> Iterator[MadeRow]:
    chosen = {(one.pool, place) for one in done.choice.rows for place in one.places[:1]}
    for number, (pool, fit) in enumerate(zip(done.pools[:SHOWN], done.fits, strict=False)):
        intervals = fit.intervals()
        order = sorted(range(len(pool.responses)), key=lambda place, fit=fit: -float(fit.strengths[place]))
        yield MadeRow(
            pool.record.prompt[-1].content,
            pool.record.category or "",
            [
                MadePart(_strength(intervals[place]), pool.responses[place].text, (number, place) in chosen)
                for place in order
            ],
        )


def _strength(interval: Interval | None) -> str:
    if interval is None:
        return t("never compared")
    return f"{interval.estimate:+.2f} ({interval.low:+.2f} … {interval.high:+.2f})"


def _data(done: Feedback) -> Iterator[DataCount]:
    for policy in range(len(done.policies)):
        different = sum(one.writer == policy for pool in done.pools for one in pool.responses)
        asked = len(done.pools) * done.recipe.k
        yield DataCount(
            done.policies[policy],
            asked,
            different,
            asked - different,
            t(ASIDE),
        )
