"""The page of a red teaming: attack success by category and attack, outcomes, the card, and the failures."""

from collections.abc import Iterator
from datetime import UTC, datetime

from truing.config.run_folder import versions
from truing.core.words import sentences, t
from truing.redteam.controls import THRESHOLD, Understood
from truing.redteam.outcomes import AttackOutcome
from truing.redteam.rates import SuccessRate, share_cut
from truing.redteam.record import VERB, RedTeam
from truing.reports.heat import HeatCell, HeatColumn, HeatRow, HeatTable, tone_of
from truing.reports.recipe import recipe_command, recipe_text
from truing.reports.records import DataCount, MadePart, MadeRow, MadeTable, Measure, Report
from truing.stats.error_rates import ErrorCounts
from truing.stats.intervals import Interval
from truing.stats.told import interval_text, range_text, value_text

SHOWN = 50  # failures on the page; all are in failures.jsonl
OUTCOMES = {
    AttackOutcome.REFUSED: "refused",
    AttackOutcome.PARTIAL: "in part",
    AttackOutcome.COMPLIED: "complied",
    AttackOutcome.INCOHERENT: "incoherent",
    AttackOutcome.NOT_UNDERSTOOD: "not understood",
    AttackOutcome.ERROR: "no outcome",
}
UNDERSTOOD = {
    Understood.YES: "{language}: understood, {right} of {n}",
    Understood.NO: "{language}: not understood, {right} of {n}",
    Understood.UNKNOWN: "{language}: unknown, {right} of {n}",
}
LANGUAGE_NAMES = {"en": "English", "zh": "Chinese"}
SUCCESS = (
    "Share of the answers that comply, wholly or in part, of those that comply or refuse. What a model "
    "cannot decode, and text that is not sound, counts for neither side."
)


def red_team_report(done: RedTeam) -> Report:
    """Return the report that the page shows."""
    return Report(
        title=t("Red teaming of {model}", model=done.model.title),
        created=datetime.now(UTC),
        command=recipe_command(VERB),
        summary=_summary(done),
        notes=list(_notes(done)),
        measures=list(_measures(done)),
        heat=[_success_table(done), _outcome_table(done)],
        made=list(_failures(done)),
        data=list(_data(done)),
        versions=versions(),
        config={t("this red teaming"): recipe_text(done.recipe)},
    )


def _summary(done: RedTeam) -> str:
    rate = done.rates[()]
    if rate.raw is None:
        return t("No answer was refused or given: see the outcomes.")
    said = t(
        "{share} of what was understood succeeded ({range}), {n} of {of} answers.",
        share=value_text(rate.raw.estimate, "%"),
        range=range_text(rate.raw, "%"),
        n=len(done.failures),
        of=len(done.items),
    )
    return sentences([said, _corrected(rate)])


def _corrected(rate: SuccessRate) -> str:
    if rate.corrected is None:
        return t("Corrected for the classifier's errors: undetermined.")
    return t(
        "Corrected for the classifier's errors: {share} ({range}).",
        share=value_text(rate.corrected.estimate, "%"),
        range=range_text(rate.corrected, "%"),
    )


def _notes(done: RedTeam) -> Iterator[str]:
    yield _card_note(done)
    if done.judge_identity is None and (cut := share_cut(done.items)):
        said = (
            "{share} of the answers that success is a share of were cut off. They are read by phrases alone, "
            "and the correction weighs the errors of that reading as much."
        )
        yield t(said, share=value_text(cut, "%"))
    counts = done.rates[()].outcomes
    if counts.judged:
        yield t(
            "The judge disagreed with the rules on {n} of {of} answers.", n=counts.disagreed, of=counts.judged
        )
    for (name, language), found in done.understood.items():
        if found.answer is Understood.NO and found.share is not None:
            said = "{attack} in {language} is not understood: {right} of {n} controls were answered."
            right = round(found.share.estimate * found.share.n)
            yield t(said, attack=name, language=t(LANGUAGE_NAMES[language]), right=right, n=found.share.n)
    if done.skipped:
        yield t("{n} prompts have no form of an attack in their language.", n=done.skipped)


def _card_note(done: RedTeam) -> str:
    if done.judge is not None and done.judge.errors is not None:
        said = "The judge {model} on {n} labelled rows: {card}."
        return t(
            said, model=done.judge.title, n=done.judge.errors.accuracy().n, card=_card(done.judge.errors)
        )
    said = "The rules on {n} labelled rows that they were not written for: {card}."
    return t(said, n=done.card.whole.accuracy().n, card=_card(done.card.whole))


def _card(errors: ErrorCounts) -> str:
    """Write accuracy, sensitivity and specificity, as "refused" of a classifier of refusals."""
    accuracy, sensitivity, specificity = errors.accuracy(), errors.sensitivity(), errors.specificity()
    said = [t("right {share} ({range})", share=_share(accuracy), range=range_text(accuracy, "%"))]
    if sensitivity is not None:
        said.append(t("finds {share}", share=_share(sensitivity)))
    if specificity is not None:
        said.append(t("clears {share}", share=_share(specificity)))
    return ", ".join(said)


def _share(found: Interval) -> str:
    return value_text(found.estimate, "%")


def _measures(done: RedTeam) -> Iterator[Measure]:
    rate = done.rates[()]
    card = _card_note(done)
    if rate.raw is not None:
        explains = sentences([t(SUCCESS), card])
        yield Measure("success", t("Attack success"), None, rate.raw, "%", "lower", explains=explains)
    if rate.corrected is not None:
        said = t("The same, corrected for the errors of what classified it, with their uncertainty.")
        title = t("Attack success, corrected")
        yield Measure(
            "success/corrected", title, None, rate.corrected, "%", "lower", explains=sentences([said, card])
        )
    if (refused := done.over_refusal) is not None:
        said = t("Share of the harmless twins of the prompts that are declined as a whole.")
        yield Measure("over_refusal", t("Over-refusal"), None, refused, "%", "lower", explains=said)
    for language, errors in done.card.languages.items():
        title = t("Rules right in {language}", language=t(LANGUAGE_NAMES[language]))
        said = t("Labelled rows on which the refusal rules agree with the label.")
        yield Measure(f"card/{language}", title, None, errors.accuracy(), "%", "higher", explains=said)


def _success_table(done: RedTeam) -> HeatTable:
    categories = list(dict.fromkeys(item.target.category for item in done.items))
    rows = [
        HeatRow(
            category,
            [
                *(_cell(done.rates.get(("cell", category, name))) for name in done.attacks),
                _cell(done.rates.get(("category", category))),
            ],
        )
        for category in categories
    ]
    last = [*(_cell(done.rates.get(("attack", name))) for name in done.attacks), _cell(done.rates[()])]
    columns = [HeatColumn(name, _understood(done, name)) for name in done.attacks]
    said = t(
        "Share that succeeded of what was understood, its 95 % interval, and the same corrected for the "
        "classifier's errors. {card} An attack is understood from {threshold} right answers inside it.",
        card=_card_note(done),
        threshold=value_text(THRESHOLD, "%"),
    )
    return HeatTable(
        t("Attack success by category and attack"),
        said,
        [*columns, HeatColumn(t("all attacks"))],
        [*rows, HeatRow(t("all categories"), last)],
    )


def _understood(done: RedTeam, name: str) -> str:
    said: list[str] = []
    for (own, language), found in done.understood.items():
        if own == name:
            n = 0 if found.share is None else found.share.n
            right = 0 if found.share is None else round(found.share.estimate * n)
            told = t(UNDERSTOOD[found.answer], language=t(LANGUAGE_NAMES[language]), right=right, n=n)
            said.append(told)
    return "; ".join(said)


def _cell(rate: SuccessRate | None) -> HeatCell | None:
    if rate is None:
        return None
    if rate.raw is None:
        return HeatCell("—", [t("none understood")])
    corrected = (
        t("corrected: undetermined")
        if rate.corrected is None
        else t(
            "corrected: {share} ({range})",
            share=_share(rate.corrected),
            range=range_text(rate.corrected, "%"),
        )
    )
    notes = [interval_text(rate.raw, "%"), corrected]
    return HeatCell(_share(rate.raw), notes, tone_of(rate.raw.estimate))


def _outcome_table(done: RedTeam) -> HeatTable:
    def cells(rate: SuccessRate | None) -> list[HeatCell | None]:
        if rate is None:
            return [None] * len(OUTCOMES)
        return [HeatCell(str(rate.outcomes.counts[outcome])) for outcome in OUTCOMES]

    rows = [HeatRow(name, cells(done.rates.get(("attack", name)))) for name in done.attacks]
    return HeatTable(
        t("Outcomes by attack"),
        t("Every answer is counted once. Incoherent text is neither a success nor safe."),
        [HeatColumn(t(title)) for title in OUTCOMES.values()],
        [*rows, HeatRow(t("all attacks"), cells(done.rates[()]))],
    )


def _failures(done: RedTeam) -> Iterator[MadeTable]:
    if done.failures:
        said = t("All of them are in failures.jsonl.")
        yield MadeTable(t("Attacks that succeeded"), said, list(_rows(done)))


def _rows(done: RedTeam) -> Iterator[MadeRow]:
    for item in done.failures[:SHOWN]:
        turns = item.talk.transcript
        yield MadeRow(
            item.target.seed.text,
            f"{item.target.category} · {item.attack} · {t(OUTCOMES[item.judged.outcome])}",
            [
                MadePart(t("attack") if turn.role == "user" else t("answer"), turn.content, turn is turns[-1])
                for turn in turns[-2:]
            ],
        )


def _data(done: RedTeam) -> Iterator[DataCount]:
    answered = sum(item.talk.answer is not None for item in done.items)
    asked = len(done.items)
    yield DataCount(done.model.title, asked, answered, asked - answered, t("no answer came"))
    if done.proposals:
        kept = sum(not one.rejected for one in done.proposals)
        asked = len(done.proposals)
        why = t("too long, no request, another language, repeated or enough")
        yield DataCount(t("proposed prompts"), asked, kept, asked - kept, why)
