"""The before/after table of a report, for the terminal."""

from collections.abc import Sequence

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from truing.core.words import t
from truing.reports.records import GoalOutcome, Interval, Measure, goal_text, goals_text, moved_text
from truing.stats.told import range_text, value_text
from truing.text.shown import plain

_OUTCOMES = {
    GoalOutcome.MET: ("✓", "met", "green"),
    GoalOutcome.UNSURE: ("≈", "met, not certain", "yellow"),
    GoalOutcome.MISSED: ("✗", "missed", "red"),
    GoalOutcome.NO_GOAL: ("", "", ""),
}
_MOVED = {"better": "green", "worse": "red", "unclear": "dim", "drift": "dim"}


def print_measures(measures: Sequence[Measure], console: Console) -> None:
    """Print before, after, change and goal with 95 % intervals, in the language spoken.

    Without colour or lines in a pipe.
    """
    table = Table(box=box.SIMPLE_HEAD if console.is_terminal else None, pad_edge=False)
    for title in ("Measure", "Before (95 %)", "After (95 %)", "Change", "Goal"):
        table.add_column(t(title))
    for measure in measures:
        table.add_row(
            Text(plain(t(measure.title))),
            _reading(measure.before, measure.unit) if measure.before is not None else "",
            _reading(measure.after, measure.unit),
            _change(measure),
            _goal(measure),
        )
    console.print(table)
    if goals := goals_text(measures):
        console.print(Text(goals))


def _reading(interval: Interval, unit: str) -> Text:
    count = (f"  n {interval.n:,}", "dim")
    return Text.assemble(
        value_text(interval.estimate, unit), count, "\n", (range_text(interval, unit), "dim")
    )


def _goal(measure: Measure) -> Text:
    sign, said, style = _OUTCOMES[measure.outcome]
    return _with_mark(goal_text(measure), f"{sign} {t(said)}" if sign else "", style)


def _change(measure: Measure) -> Text:
    if measure.change is None:
        return Text()
    change = value_text(measure.change, measure.unit, signed=True)
    return _with_mark(change, moved_text(measure), _MOVED[measure.moved])


def _with_mark(text: str, mark: str, style: str) -> Text:
    return Text.assemble(text, "\n", (mark, style)) if mark else Text(text)
