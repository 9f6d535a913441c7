"""The parts of a report, and the words and verdicts of its numbers.

To show something new, add a record here, a field to `Report` and a section to
`templates/report.html.j2`. Every record checks itself when made; later code does not check again.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Literal

from truing.core.words import t
from truing.evals.reward_summary import RewardSummary
from truing.reports.compare.records import RunComparison
from truing.reports.heat import HeatTable
from truing.stats.intervals import Interval
from truing.stats.told import value_text

DRIFT_NOTES = {
    "kl": (
        "KL is the mean k3 estimate per token, in nats, between the trained and the starting model, "
        "on the trained model's own samples for held-out prompts. 0 means that nothing changed."
    ),
    "perplexity": (
        "Perplexity is measured on held-out text that was not trained on. "
        "1\N{MULTIPLICATION SIGN} is the starting model; a larger ratio means that ordinary text became "
        "less likely under the trained model."
    ),
}


class GoalOutcome(StrEnum):
    """The outcome of a measure against its goal."""

    MET = "met"  # the whole interval reaches the goal
    UNSURE = "unsure"  # the estimate reaches the goal, its interval does not
    MISSED = "missed"
    NO_GOAL = "no goal"


@dataclass(frozen=True, slots=True)
class Measure:
    """One number before and after training, with 95 % intervals; `before` is None where nothing is compared.

    Values in unit "%" are shares between 0 and 1. `goal` is the least `after` may be ("higher"), the most
    it may be ("lower"), or the furthest it may lie from the estimate before ("near").
    A measure named in `DRIFT_NOTES` is also shown in the section on drift.
    """

    name: str
    title: str
    before: Interval | None
    after: Interval
    unit: str
    better: Literal["higher", "lower", "near"]
    goal: float | None = None
    explains: str = ""
    p: float | None = None  # of "no change", corrected for all numbers tested beside it
    items: str = ""  # the task of the number's responses, if the page shows them

    def __post_init__(self) -> None:
        if self.better not in ("higher", "lower", "near"):
            raise ValueError(f"measure {self.name!r}: better is {self.better!r}, not higher, lower or near")
        if self.before is None and self.better == "near":
            raise ValueError(f"measure {self.name!r} has nothing before that it could be near to")
        if self.unit == "%":
            values = [side.estimate for side in (self.before, self.after) if side is not None]
            if any(value < 0 or value > 1 for value in values):
                raise ValueError(f"measure {self.name!r}: a '%' value is a share from 0 to 1, not {values}")

    @property
    def outcome(self) -> GoalOutcome:
        if self.goal is None:
            return GoalOutcome.NO_GOAL
        if not self._reaches(self.after.estimate):
            return GoalOutcome.MISSED
        ends = (self.after.low, self.after.high)
        return GoalOutcome.MET if all(self._reaches(end) for end in ends) else GoalOutcome.UNSURE

    @property
    def change(self) -> float | None:
        """The difference after - before; None where nothing is compared."""
        return None if self.before is None else self.after.estimate - self.before.estimate

    @property
    def moved(self) -> Literal["better", "worse", "unclear", "drift"]:
        """The direction of the change: "unclear" where p is 0.05 or more; without p, where intervals overlap.

        "drift" for a measure of drift: training can only move it one way, so that its goal alone judges it.
        """
        if self.name in DRIFT_NOTES:
            return "drift"
        if self.before is None:
            return "unclear"
        apart = self.after.low > self.before.high or self.after.high < self.before.low
        if not (apart if self.p is None else self.p < 0.05):
            return "unclear"
        if self.better == "near":
            return "worse"
        rose = self.after.estimate > self.before.estimate
        return "better" if rose == (self.better == "higher") else "worse"

    def _reaches(self, value: float) -> bool:
        assert self.goal is not None
        if self.better == "higher":
            return value >= self.goal
        if self.better == "lower":
            return value <= self.goal
        assert self.before is not None
        return abs(value - self.before.estimate) <= self.goal


@dataclass(frozen=True, slots=True)
class SideBySide:
    """One prompt with the response before and after training. The texts are untrusted."""

    prompt: str
    category: str
    harmful: bool
    before: str
    after: str
    before_refused: bool
    after_refused: bool


@dataclass(frozen=True, slots=True)
class ResponseRow:
    """One prompt, the model's response, and the responses of the other models. The texts are untrusted."""

    prompt: str
    category: str
    responses: Sequence[str]  # the model's first; of several runs in their order
    values: Sequence[str]  # of each response, in words
    changed: bool  # whether they differ in a value


@dataclass(frozen=True, slots=True)
class ResponseTable:
    """The responses behind the numbers of a task. `titles` name the runs of the responses, if several."""

    task: str
    rows: Sequence[ResponseRow]
    titles: Sequence[str] = ()
    columns: Sequence[int] = ()  # the places of those runs in the comparison

    @property
    def changed(self) -> int:
        return sum(row.changed for row in self.rows)

    @property
    def sides(self) -> Sequence[tuple[int, str, str]]:
        """The responses in reading order: place in a row, title, mark."""
        if self.titles:
            named = zip(self.titles, self.columns, strict=True)
            return [(place, title, f"run-{column}") for place, (title, column) in enumerate(named)]
        if self.rows and len(self.rows[0].responses) > 1:
            return [(1, t("Before"), ""), (0, t("After"), "after")]
        return [(0, t("Answer"), "after")]


@dataclass(frozen=True, slots=True)
class GroupRow:
    """A number over a part of its items; None for a part without values."""

    name: str
    before: Interval | None
    after: Interval | None


@dataclass(frozen=True, slots=True)
class GroupTable:
    """A number by category or language."""

    measure: str  # its name
    title: str
    unit: str
    rows: Sequence[GroupRow]


@dataclass(frozen=True, slots=True)
class Alarm:
    """A finding of a health rule: `saw` since a step of training, advice, and the action of the run.

    `since` is None for a finding about rows, which have no steps.
    """

    title: str
    since: int | None
    saw: str
    advice: str
    done: str = ""


@dataclass(frozen=True, slots=True)
class Rewarded:
    """A response drawn in training and its reward, None where the reward failed. The text is untrusted."""

    text: str
    reward: float | None


@dataclass(frozen=True, slots=True)
class SampleGroup:
    """Responses to one prompt of a step. The prompt is untrusted."""

    step: int
    prompt: str
    responses: Sequence[Rewarded]


@dataclass(frozen=True, slots=True)
class SampleTable:
    """Some of the responses of a run."""

    title: str
    groups: Sequence[SampleGroup]


@dataclass(frozen=True, slots=True)
class MadePart:
    """One text of a row that models made, with its title. The text is untrusted."""

    title: str
    text: str
    after: bool = False  # whether it is the outcome, which the page marks


@dataclass(frozen=True, slots=True)
class MadeRow:
    """A prompt, and the texts that models made of it in reading order; `overline` says what came of it."""

    prompt: str
    overline: str
    parts: Sequence[MadePart]


@dataclass(frozen=True, slots=True)
class MadeTable:
    """Rows of one kind; `explains` is a sentence below the title."""

    title: str
    explains: str
    rows: Sequence[MadeRow]


@dataclass(frozen=True, slots=True)
class StageRecord:
    """One stage of training. `metrics` holds the rows of its metrics.jsonl: `step` and numbers by name."""

    name: str
    method: str
    seconds: float
    steps: int
    metrics: Sequence[Mapping[str, Any]] = ()


@dataclass(frozen=True, slots=True)
class HitShare:
    """`hits` out of `of`."""

    hits: int
    of: int

    def __post_init__(self) -> None:
        if not 0 <= self.hits <= self.of:
            raise ValueError(f"{self.hits} of {self.of} is not a share")


@dataclass(frozen=True, slots=True)
class CategoryRow:
    """The refused prompts of one category; `HitShare(0, 0)` where the category has no prompts."""

    name: str
    harmful_before: HitShare = HitShare(0, 0)
    harmful_after: HitShare = HitShare(0, 0)
    benign_before: HitShare = HitShare(0, 0)
    benign_after: HitShare = HitShare(0, 0)


@dataclass(frozen=True, slots=True)
class DataCount:
    """The rows of one source: every row read was kept or set aside; `why` gives the reasons."""

    source: str
    read: int
    kept: int
    set_aside: int
    why: str = ""

    def __post_init__(self) -> None:
        if self.read != self.kept + self.set_aside:
            raise ValueError(
                f"{self.source}: {self.read} rows read, but {self.kept} kept + {self.set_aside} set aside"
            )


@dataclass(frozen=True, slots=True)
class Report:
    """The content of one report. An empty field leaves its section out.

    `summary` is the headline: one plain sentence with numbers; where empty, `verdict` writes it. `notes` are
    the smaller lines below it. `alarms` stand above all else; `healthy` is the line for a run without alarms.
    `config` maps the name of a stage to the text of its recipe.
    """

    title: str
    created: datetime
    command: str
    summary: str = ""
    notes: Sequence[str] = ()
    alarms: Sequence[Alarm] = ()
    healthy: str = ""
    measures: Sequence[Measure] = ()
    comparison: RunComparison | None = None
    reward: RewardSummary | None = None
    groups: Sequence[GroupTable] = ()
    responses: Sequence[ResponseTable] = ()
    heat: Sequence[HeatTable] = ()
    made: Sequence[MadeTable] = ()
    stages: Sequence[StageRecord] = ()
    samples: Sequence[SampleTable] = ()
    examples: Sequence[SideBySide] = ()
    categories: Sequence[CategoryRow] = ()
    data: Sequence[DataCount] = ()
    versions: Mapping[str, str] = field(default_factory=dict)
    config: Mapping[str, str] = field(default_factory=dict)


def verdict(measures: Sequence[Measure]) -> str:
    """Write one sentence: the change of the first two measures, and the count of goals met."""
    if not measures:
        return t("Nothing was measured.")
    first = measures[0]
    went = "{title} is {after}" if first.before is None else "{title} went from {before} to {after}"
    said = [_stands(went, t(first.title), first)]
    for measure in measures[1:2]:
        went = "{title} is {after}" if measure.before is None else "{title} from {before} to {after}"
        said.append(_stands(went, _inside(t(measure.title)), measure))
    told = [t(", ").join(said), *([goals] if (goals := goals_text(measures)) else [])]
    return t("{sentence}.", sentence=t("; ").join(told))


def _stands(went: str, title: str, measure: Measure) -> str:
    before, after = (
        "" if side is None else value_text(side.estimate, measure.unit)
        for side in (measure.before, measure.after)
    )
    return t(went, title=title, before=before, after=after)


def _inside(title: str) -> str:
    """Write a title inside a sentence: with a small first letter, unless it opens an acronym."""
    return title if title[1:2].isupper() else title[:1].lower() + title[1:]


def goals_text(measures: Sequence[Measure]) -> str:
    """Count the goals met, as "5 of 6 goals met, 1 of them not certain"; empty where there is no goal."""
    outcomes = [measure.outcome for measure in measures if measure.goal is not None]
    if not outcomes:
        return ""
    unsure = outcomes.count(GoalOutcome.UNSURE)
    met = outcomes.count(GoalOutcome.MET) + unsure
    text = (
        "{met} of {goals} goals met, {unsure} of them not certain" if unsure else "{met} of {goals} goals met"
    )
    return t(text, met=met, goals=len(outcomes), unsure=unsure)


def moved_text(measure: Measure) -> str:
    """Write a change's direction, as "▼ better": the arrow is for the number, the word for its meaning."""
    if measure.change is None:
        return ""
    if measure.moved == "unclear":
        return t("intervals overlap" if measure.p is None else "may be chance")
    if measure.moved == "drift":
        return ""
    return f"{'▲' if measure.change > 0 else '▼'} {t(measure.moved)}"


def goal_text(measure: Measure) -> str:
    """Write the goal: "at least 90.0%"; empty where there is none."""
    if measure.goal is None:
        return ""
    goal = value_text(measure.goal, measure.unit)
    if measure.better == "near":
        points = t("{n} points", n=f"{100 * measure.goal:.1f}") if measure.unit == "%" else goal
        return t("within {points} of before", points=points)
    return t("at least {goal}" if measure.better == "higher" else "at most {goal}", goal=goal)
