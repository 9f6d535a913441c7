"""The page of `truing constitution`: what became of the prompts, the principles, and some transcripts."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from truing.config.run_folder import versions
from truing.core.messages import told
from truing.core.words import spoken, t
from truing.reports.recipe import recipe_command, recipe_text
from truing.reports.records import (
    Alarm,
    DataCount,
    GroupRow,
    GroupTable,
    MadePart,
    MadeRow,
    MadeTable,
    Measure,
    Report,
)
from truing.stats.intervals import bootstrap_mean, wilson
from truing.synthesis.constitution.counts import (
    distinct,
    lengths,
    outcomes,
    principles,
    refusals,
    rounds,
    warnings,
)
from truing.synthesis.constitution.guard import Drop
from truing.synthesis.constitution.revising import Case, CaseEnd
from truing.synthesis.constitution.run import ConstitutionPass
from truing.text.shown import clipped

SHOWN = 24  # transcripts on the page
SOME = "Some prompts of every outcome and category. transcripts.jsonl has all of them."
REASONS = {
    Drop.EMPTY: "empty",
    Drop.EQUAL: "the same as the answer",
    Drop.ECHO: "repeats the critique",
    Drop.DEGENERATE: "degenerate",
    Drop.UNRELATED: "unrelated to the prompt",
    Drop.LONGER: "longer without reason",
    Drop.NOT_BETTER: "not better in both orders",
}
OUTCOMES = {
    CaseEnd.REVISED: "revised",
    CaseEnd.UNCHANGED: "unchanged: the critique found nothing",
    CaseEnd.DROPPED: "dropped: {reason}",
    CaseEnd.ERROR: "error: {reason}",
}


def constitution_report(made: ConstitutionPass) -> Report:
    """Return the report that the page of a pass shows."""
    recipe = made.opened.recipe
    counts = outcomes(made.cases)
    summary = "{revised} of {prompts} prompts have a revision; the critic found nothing in {unchanged}."
    alarms = [
        Alarm(t(one.title), None, told(one.saw, spoken()), t(one.advice)) for one in warnings(made.cases)
    ]
    return Report(
        title=t("Constitution: {model}", model=made.opened.policy.title),
        created=datetime.now(UTC),
        command=recipe_command("constitution"),
        summary=t(summary, **counts),
        notes=list(_notes(made)),
        alarms=alarms,
        measures=list(measures_of(made.cases)),
        groups=list(_groups(made.cases)),
        made=[MadeTable(t("From first answer to last"), t(SOME), list(map(_transcript, chosen(made.cases))))],
        data=[_data(made, counts)],
        versions=versions(),
        config={t("this pass"): recipe_text(recipe)},
    )


def _notes(made: ConstitutionPass) -> Iterator[str]:
    opened, pairs = made.opened, made.pairs
    said = "Answers by {policy}, critiques by {critic}, revisions by {reviser}."
    yield t(said, policy=opened.policy.title, critic=opened.critic.title, reviser=opened.reviser.title)
    if opened.judge is None:
        yield t("No judge was asked whether a revision is better: the rules alone dropped revisions.")
    else:
        yield t("Whether a revision is better, {judge} said in both orders.", judge=opened.judge.title)
    files = "{sft} rows for SFT, {helpful} of them helpful ones; {kept} of {pairs} pairs are preferences."
    sft = len(made.revisions) + len(made.helpful)
    yield t(files, sft=sft, helpful=len(made.helpful), kept=pairs.kept, pairs=pairs.pairs)
    for one in rounds(made.cases):
        said = "Round {round}: {criticised} critiques, {found} found something, {accepted} revisions stayed."
        yield t(said, **one)


def measures_of(cases: Sequence[Case]) -> Iterator[Measure]:
    """Yield refusals and lengths before and after, and the share of distinct revisions."""
    explains = t("Share of first and of last answers that decline, wholly or in part, by rule.")
    for harmful, title in ((True, "Prompts with a category declined"), (False, "Other prompts declined")):
        before, after = refusals([case for case in cases if (case.record.category is not None) is harmful])
        if before:
            first, last = (wilson(sum(side), len(side)) for side in (before, after))
            name, better = ("declined", "higher") if harmful else ("declined_others", "lower")
            yield Measure(name, t(title), first, last, "%", better, explains=explains)
    different, of = distinct(cases)
    if of:
        initial, final = map(bootstrap_mean, lengths(cases))
        words = t("Words of an answer")
        explains = t("Mean over revised prompts; a Chinese character is a word. Bootstrap interval.")
        yield Measure("words", words, initial, final, "", "lower", explains=explains)
        yield Measure(
            "distinct",
            t("Different revisions"),
            None,
            wilson(different, of),
            "%",
            "higher",
            explains=t("Share of revisions that no other equals; case and punctuation do not count."),
        )


def _groups(cases: Sequence[Case]) -> Iterator[GroupTable]:
    used = principles(cases)
    if used:
        rows = [GroupRow(name, None, wilson(one["found"], one["used"])) for name, one in used.items()]
        yield GroupTable("found", t("Share of critiques under a principle that found something"), "%", rows)


def chosen(cases: Sequence[Case]) -> list[Case]:
    """Return the cases that the page shows: of each outcome and category in turn."""
    seen: Counter[tuple[Any, ...]] = Counter()
    ranked = []
    for place, case in enumerate(cases):
        kind = (case.outcome, case.record.category)
        ranked.append((seen[kind], place))
        seen[kind] += 1
    return [cases[place] for _, place in sorted(ranked)[:SHOWN]]


def _transcript(case: Case) -> MadeRow:
    reason = t(REASONS[Drop(case.reason)]) if case.outcome is CaseEnd.DROPPED else told(case.reason, spoken())
    assert case.outcome is not None
    outcome = t(OUTCOMES[case.outcome], reason=clipped(reason, 200))
    parts = [MadePart(t("First answer"), case.initial)]
    for number, one in enumerate(case.rounds, 1):
        principle = clipped(one.principle.text, 300)
        parts.append(MadePart(t("Critique {n} · {principle}", n=number, principle=principle), one.critique))
        if one.revision:
            said = "Revision {n} · dropped: {reason}" if one.dropped else "Revision {n}"
            title = t(said, n=number, reason=t(REASONS[one.dropped]) if one.dropped else "")
            parts.append(MadePart(title, one.revision, after=one.dropped is None))
    prompt = "\n\n".join(turn.content for turn in case.record.prompt)
    return MadeRow(prompt, f"{case.record.category or case.language} · {outcome}", parts)


def _data(made: ConstitutionPass, counts: Mapping[str, Any]) -> DataCount:
    why = [
        t("{n} unchanged", n=counts["unchanged"]),
        *(f"{n} {t(REASONS[Drop(name)])}" for name, n in counts["dropped"].items()),
        t("{n} errors", n=counts["errors"]),
    ]
    source = ", ".join(made.opened.recipe.prompts)
    read, kept = counts["prompts"], counts["revised"]
    return DataCount(source, read, kept, read - kept, ", ".join(why))
