"""The work of `truing judge`: rows become items, a panel is asked about each, and verdicts come out.

read_items -> open_panel -> estimates (a dry run), or asked -> JudgedRows
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from truing.config.judging import JudgingRecipe
from truing.core.errors import DataError, RewardError
from truing.core.messages import Say, message
from truing.core.records import Turns
from truing.data.load import load_records
from truing.evals.bench import TaskWatch
from truing.judges.budget import Estimate
from truing.judges.cache import AnswerCache
from truing.judges.opinions import Asker, CountedAsker, NoVerdict, Opinion
from truing.judges.panel import panel
from truing.sampling.roles import ModelRole, open_role
from truing.synthesis.judging.kinds import KINDS, JudgedItem, JudgeFinding, JudgingKind, items_of
from truing.synthesis.prompts import PromptSet

ASKING = "Judging: {judge}"
VERDICTS = "verdicts.jsonl"
REASONS = "{path} gives the reasons; the same command asks again what failed, or raise max_errors"


@dataclass(frozen=True)
class ItemVerdict:
    """The findings of every judge on one item, and the panel's opinion, from 0 to 1."""

    item: JudgedItem
    found: tuple[JudgeFinding, ...]  # by judge
    values: tuple[float | NoVerdict, ...]
    value: float | NoVerdict


@dataclass(frozen=True)
class JudgedRows:
    """Every item with its verdict. `stopped` is the error that ended the asking, such as a budget's."""

    recipe: JudgingRecipe
    rows: PromptSet
    roles: Sequence[ModelRole]
    verdicts: Sequence[ItemVerdict]
    unfit: int  # rows without an item of the kind that was asked for
    stopped: RewardError | None = None

    @property
    def errors(self) -> list[ItemVerdict]:
        return [each for each in self.verdicts if isinstance(each.value, NoVerdict)]

    def of(self, kind: str) -> list[ItemVerdict]:
        return [each for each in self.verdicts if each.item.kind == kind]

    @property
    def kinds(self) -> list[str]:
        """Return the kinds that were asked, in the order of `KINDS`."""
        counts = Counter(each.item.kind for each in self.verdicts)
        return [kind for kind in KINDS if counts[kind]]


@dataclass(frozen=True)
class OpenPanel:
    """The rows and judges of a recipe, read and opened."""

    recipe: JudgingRecipe
    rows: PromptSet
    items: Sequence[JudgedItem]
    unfit: int
    roles: Sequence[ModelRole]

    @property
    def asked(self) -> dict[str, Any]:
        """Everything that decides the rows, for the folder."""
        return {
            "recipe": self.recipe.recorded(),
            "inputs": self.rows.inputs,
            "judges": [dict(role.identity) for role in self.roles],
        }

    def by_kind(self) -> list[tuple[JudgingKind, list[JudgedItem]]]:
        found: dict[str, list[JudgedItem]] = {}
        for item in self.items:
            found.setdefault(item.kind, []).append(item)
        return [(KINDS[kind](self.recipe), found[kind]) for kind in KINDS if kind in found]


def open_panel(recipe: JudgingRecipe, say: Say, cache: AnswerCache | None) -> OpenPanel:
    """Read the rows of a recipe and open its judges. Raises DataError where no row can be judged."""
    loaded = load_records(list(recipe.rows))
    for source in loaded.sources:
        say(source.describe())
    records = loaded.records[: recipe.limit]
    items = [item for record in records for item in items_of(record, recipe.kind)]
    unfit = sum(not items_of(record, recipe.kind) for record in records)
    if not items:
        raise DataError(
            message(
                "{paths}: no row has responses to judge as {kind}",
                paths=", ".join(recipe.rows),
                kind=recipe.kind,
            ),
            hint=message(
                "pairwise takes two responses, ranking three or more, axes any, rubric rows with a rubric"
            ),
        )
    if unfit:
        say(message("{n} rows do not fit {kind} and are left out", n=unfit, kind=recipe.kind))
    roles = [open_role(spec, cache) for spec in recipe.judges]
    return OpenPanel(recipe, PromptSet(records, loaded.sources), items, unfit, roles)


def estimates(opened: OpenPanel) -> list[Estimate]:
    """Return the most that each judge may be asked; nothing is asked."""
    found = []
    for role in opened.roles:
        parts = [role.estimate(*kind.questions(role, items)) for kind, items in opened.by_kind()]
        costs = [part.cost for part in parts if part.cost is not None]
        most = parts[0].most
        for part in parts[1:]:
            most += part.most
        found.append(
            Estimate(
                sum(part.questions for part in parts),
                sum(part.kept for part in parts),
                most,
                sum(costs) if costs else None,
            )
        )
    return found


@dataclass(frozen=True)
class _KeptAsker:
    """A role that is asked no more, and only looks into its cache."""

    role: ModelRole

    def ask(self, questions: Sequence[Turns], read: Callable[[str], Opinion]) -> list[Opinion | NoVerdict]:
        return self.role.kept(questions, read)


def judge_rows(opened: OpenPanel, watch: TaskWatch) -> JudgedRows:
    """Ask every judge about every item. A judge that can be asked no more leaves what it has answered."""
    stopped: RewardError | None = None
    found: dict[int, list[JudgeFinding]] = {id(item): [] for item in opened.items}
    for role in opened.roles:
        total = sum(len(kind.questions(role, items)[0]) for kind, items in opened.by_kind())
        done = 0

        def tick(title: str = role.title, total: int = total) -> None:
            nonlocal done
            done += 1
            watch(message(ASKING, judge=title), done, total)

        asker: Asker = CountedAsker(role, tick) if stopped is None else _KeptAsker(role)
        for kind, items in opened.by_kind():
            try:
                told = kind.ask(asker, items)
            except RewardError as error:
                stopped, asker = error, _KeptAsker(role)
                told = kind.ask(asker, items)
            for item, one in zip(items, told, strict=True):
                found[id(item)].append(one)
        if done < total:
            watch(message(ASKING, judge=role.title), total, total)
    verdicts = [_verdict(opened.recipe, item, found[id(item)]) for item in opened.items]
    return JudgedRows(opened.recipe, opened.rows, opened.roles, verdicts, opened.unfit, stopped)


def _verdict(recipe: JudgingRecipe, item: JudgedItem, found: Sequence[JudgeFinding]) -> ItemVerdict:
    kind = KINDS[item.kind](recipe)
    values = tuple(kind.value(one) for one in found)
    rule = recipe.panel if item.kind == "pairwise" else "mean"
    (value,) = panel([[each] for each in values], rule)
    return ItemVerdict(item, tuple(found), values, value)


def require_answered(done: JudgedRows) -> None:
    """Raise the error that ended the asking, or RewardError where too many items have no verdict."""
    if done.stopped is not None:
        raise done.stopped
    errors, items = len(done.errors), len(done.verdicts)
    if errors > done.recipe.max_errors * items:
        first = done.errors[0].value
        assert isinstance(first, NoVerdict)
        told = "{n} of {all} items have no verdict; the first: {reason}"
        raise RewardError(
            message(told, n=errors, all=items, reason=first.reason),
            hint=message(REASONS, path=Path(done.recipe.output) / VERDICTS),
        )


def details(done: JudgedRows, verdict: ItemVerdict) -> list[Mapping[str, Any]]:
    """Return the verdict of each judge as a row keeps it, with the reason where there is none."""
    kind = KINDS[verdict.item.kind](done.recipe)
    rows = []
    for role, found, value in zip(done.roles, verdict.found, verdict.values, strict=True):
        error = {"error": value.reason} if isinstance(value, NoVerdict) else {}
        rows.append({"judge": role.title, **kind.detail(found), **error})
    return rows
