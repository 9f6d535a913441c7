"""The page of refusals: the account of every failure, the balance, and every refusal."""

from collections.abc import Iterator
from datetime import UTC, datetime

from truing.config.run_folder import versions
from truing.core.messages import told
from truing.core.words import spoken, t
from truing.redteam.declining import BY_HAND, BY_TEMPLATE, BY_WRITER
from truing.redteam.failures import ASIDE, PLAIN
from truing.redteam.harmless import EVERYDAY, TWIN
from truing.redteam.refusals import Refusals, as_json
from truing.reports.recipe import recipe_command, recipe_text
from truing.reports.records import DataCount, MadePart, MadeRow, MadeTable, Report

SHOWN = 100  # refusals that the page shows
MADE = {BY_HAND: "written by hand", BY_TEMPLATE: "by template", BY_WRITER: "by the writer"}
WHY = {
    "held_out": "held-out topics",
    "repeated": "repeated",
    "no_prompt": "without a prompt",
    "beyond_limit": "beyond the limit",
    "already-refuses": "the model declines",
    "empty-response": "empty",
    "nul": "unreadable",
    "no-answer": "no answer",
    "broken": "broken text",
}


def refusals_report(done: Refusals) -> Report:
    """Return the report that the page shows."""
    found = as_json(done)
    kinds = {kind: found["kinds"].get(kind, 0) for kind in (TWIN, EVERYDAY)}
    said = (
        "{n} refusals of {prompts} failures, and {held} retained answers: {twins} harmless twins and "
        "{everyday} everyday prompts were asked. {reached:.2f} answers are retained for each refusal."
    )
    return Report(
        title=t("Refusals for {model}", model=done.policy.title),
        created=datetime.now(UTC),
        command=recipe_command("data refusals"),
        summary=t(
            said,
            n=len(done.sft),
            prompts=len(done.failures.failed),
            held=len(done.retain),
            twins=kinds[TWIN],
            everyday=kinds[EVERYDAY],
            reached=done.reached,
        ),
        notes=list(_notes(done)),
        made=[MadeTable(t("Refusals"), t("A refusal of each form of a prompt."), list(_refusals(done)))],
        data=list(_data(done)),
        versions=versions(),
        config={t("these refusals"): recipe_text(done.recipe)},
    )


def _notes(done: Refusals) -> Iterator[str]:
    if done.faults:
        said = "{n} texts of the writer were no helpful refusal, and a template stands in: {why}."
        why = t(", ").join(f"{n} {told(reason, spoken())}" for reason, n in done.faults.items())
        yield t(said, n=done.faults.total(), why=why)
    if done.reached < done.recipe.balance / 2:
        said = "Less than half of the answers that the balance asks for are retained: over-refusal may grow."
        yield t(said)


def _refusals(done: Refusals) -> Iterator[MadeRow]:
    for form, decline in zip(done.forms[:SHOWN], done.declines, strict=False):
        shown = t("plain") if form.attack == PLAIN else form.attack
        overline = f"{form.failed.category} · {shown}"
        yield MadeRow(form.asked[-1].content, overline, [MadePart(t(MADE[decline.made]), decline.text, True)])


def _data(done: Refusals) -> Iterator[DataCount]:
    read, used = done.failures.read, len(done.failures.failed)
    aside = {why: done.failures.aside[why] for why in ASIDE}
    yield DataCount(t("failures"), read, used, read - used, _why(aside))
    held, aside = len(done.retain), dict(done.not_held)
    lost = sum(aside.values())
    yield DataCount(t("retained answers"), held + lost, held, lost, _why(aside))
    pairs, lost = len(done.preferences), done.no_pairs.total()
    yield DataCount(t("preference pairs"), pairs + lost, pairs, lost, _why(dict(done.no_pairs)))


def _why(aside: dict[str, int]) -> str:
    return t(", ").join(f"{n} {t(WHY[why])}" for why, n in aside.items() if n)
