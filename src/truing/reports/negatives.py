"""The page of negatives: the account of every row, how alike the answers are, and the rows themselves."""

from collections.abc import Iterator
from datetime import UTC, datetime

from truing.config.run_folder import versions
from truing.core.messages import told
from truing.core.words import spoken, t
from truing.reports.recipe import recipe_command, recipe_text
from truing.reports.records import DataCount, MadePart, MadeRow, MadeTable, Measure, Report
from truing.stats.intervals import Interval, bootstrap_mean
from truing.synthesis.negatives.rows import Without
from truing.synthesis.negatives.run import NegativePair, Negatives

TOLD = {
    Without.UNREADABLE: "unreadable",
    Without.BEYOND: "beyond the limit",
    Without.NO_ANSWER: "no true answer",
    Without.SEVERAL_TURNS: "several turns",
    Without.EMPTY: "empty",
    Without.DUPLICATE: "duplicate",
    Without.NEAR: "near duplicate",
    Without.EVALUATED: "in an evaluation",
    Without.NOTHING: "nothing to change",
    Without.TOO_FEW: "too few places",
    Without.SAME: "means the same",
    Without.FAILED: "no text written",
    Without.CUT: "cut off",
    Without.REFUSED: "refusal",
    Without.SHORT: "much shorter",
    Without.UNRELATED: "unrelated",
    Without.NOT_WORSE: "not worse",
    Without.NO_VERDICT: "no verdict",
}
SHOWN = 100  # rows that the page shows


def negatives_report(done: Negatives) -> Report:
    """Return the report that the page shows."""
    return Report(
        title=t("True and false answers"),
        created=datetime.now(UTC),
        command=recipe_command("data negatives"),
        summary=t("{read} rows read = {account}.", read=done.read, account=_account(done)),
        notes=[told(note, spoken()) for note in done.notes],
        measures=list(_measures(done)),
        made=[_table(done)] if done.pairs else [],
        data=[_data(done)],
        versions=versions(),
        config={t("these negatives"): recipe_text(done.recipe, done.recipe.unread)},
    )


def _account(done: Negatives) -> str:
    return ", ".join([f"{len(done.pairs)} {t('rows with a false answer')}", *_reasons(done)])


def _reasons(done: Negatives) -> list[str]:
    return [f"{n} {t(TOLD[reason])}" for reason, n in done.without.most_common() if n]


def _measures(done: Negatives) -> Iterator[Measure]:
    explains = t("Share of the rows read that got a false answer; Wilson interval.")
    yield Measure("made", t("Rows with a false answer"), None, done.made, "%", "higher", explains=explains)
    shares = [pair.alike for pair in done.pairs]
    if shares:
        mean = bootstrap_mean(shares) if len(shares) > 1 else Interval(shares[0], shares[0], shares[0], 1)
        said = "Mean share of words that both answers have; DPO alone fails above about 75 %."
        yield Measure("alike", t("Words in common"), None, mean, "%", "lower", explains=t(said))


def _table(done: Negatives) -> MadeTable:
    said = "The true answer and the false one. Above them stand the rule and what it changed."
    return MadeTable(t("True and false answers"), t(said), [_shown(pair) for pair in done.pairs[:SHOWN]])


def _shown(pair: NegativePair) -> MadeRow:
    edits = pair.false.facts.get("edits", ())
    changed = "; ".join(f"{edit['rule']}: {edit['from']} → {edit['to'] or '∅'}" for edit in edits)
    parts = [
        MadePart(t("true"), pair.record.chosen.text, after=True),
        MadePart(t("false"), pair.false.text),
    ]
    return MadeRow(pair.record.prompt[-1].content, changed, parts)


def _data(done: Negatives) -> DataCount:
    source, reasons = ", ".join(done.recipe.prompts), ", ".join(_reasons(done))
    return DataCount(source, done.read, len(done.pairs), done.without.total(), reasons)
