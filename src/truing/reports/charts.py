"""The charts of a report: measures with their intervals, and the metrics of training, step by step.

To draw another training metric, add a row to `PANELS`: its title, the metrics that share its axis and
how ticks are written.
"""

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from markupsafe import Markup

from truing.core.words import sentences, t
from truing.reports.curves import SMOOTHED, MetricSeries, ends, held_out, read_series, smoothed, thin
from truing.reports.drawing import Curve, Dot, Extent, Mark, Scale, Words, draw, short_power, span_of
from truing.reports.records import Measure, StageRecord, goal_text
from truing.stats.intervals import Interval
from truing.stats.told import interval_text, value_text
from truing.text.shown import plain

BEFORE, AFTER, SECOND, GOAL = "tone-before", "tone-after", "tone-second", "tone-goal"
ROW_HEIGHT = 66
CURVE_HEIGHT = 152
FEW_POINTS = 25  # the most points of a line with marked points
DIGITS = 4  # of a value under the pointer


@dataclass(frozen=True, slots=True)
class Panel:
    """One small chart of training: metrics that share an axis."""

    title: str
    metrics: tuple[str, ...]
    form: Literal["number", "share"] = "number"
    noisy: bool = True  # whether a moving average is drawn over it


# Numbers over the rounds of a hardening, of its two arms.
OVER_ROUNDS = {
    "known": "Attack success, held-out prompts",
    "new": "Attack success, held-out attacks",
    "incoherent": "Incoherent answers to attacks",
    "lookalike": "Harmless look-alikes refused",
    "everyday": "Everyday prompts refused",
    "helpfulness": "Tasks done",
    "degeneration": "Degenerate answers to tasks",
}

PANELS = (
    Panel("Loss", ("loss", "eval/loss")),
    Panel("Reward margin", ("rewards/margins", "eval/rewards/margins")),
    Panel("Reward accuracy", ("rewards/accuracies", "eval/rewards/accuracies"), "share"),
    Panel("Reward", ("reward", "eval/reward")),
    Panel("Response length in tokens", ("completions/mean_length",)),
    Panel("Entropy", ("entropy",)),
    Panel("Rewards", ("rewards/desirable", "rewards/undesirable")),
    Panel("Log-probabilities", ("logps/chosen", "logps/rejected")),
    Panel("Accuracy", ("accuracy", "eval/accuracy"), "share"),
    Panel("Margin", ("margin", "eval/margin")),
    Panel("Scores", ("score/chosen", "score/rejected")),
    Panel("Mean score", ("score", "eval/score")),
    Panel("Calibration error (ECE), held out", ("eval/ece",)),
    Panel("Correlation of score and length, held out", ("eval/length_correlation",)),
    Panel("KL", ("kl",)),
    Panel("KL on retained rows", ("kl/retained",)),
    Panel("Gradient norm", ("grad_norm",)),
    Panel("Learning rate", ("learning_rate",), noisy=False),
    *(
        Panel(title, (f"{name}/failures", f"{name}/random"), "share", noisy=False)
        for name, title in OVER_ROUNDS.items()
    ),
)

# Beside which a panel shows the other side.
SIDES = ("chosen", "rejected", "desirable", "undesirable", "failures", "random")


@dataclass(frozen=True, slots=True)
class Chart:
    """One drawing with its place in the page and the words for readers who cannot see it."""

    id: str
    title: str
    label: str
    note: str
    drawing: Markup
    look: Literal["rows", "curves", "framed"]  # decides the room for ticks and titles
    legend: Sequence[tuple[str, str]] = ()  # tone and name
    hover: Mapping[str, Any] = field(default_factory=dict)  # of curves: the words of `report.js` for a step


@dataclass(frozen=True, slots=True)
class ChartLine:
    """A metric of a run as a line of a drawing."""

    name: str
    tone: str
    series: MetricSeries
    smooth: bool
    dotted: bool = False


def measure_charts(measures: Sequence[Measure], prefix: str) -> list[Chart]:
    """Draw one chart per unit, in the order in which units first appear."""
    units = dict.fromkeys(measure.unit for measure in measures)
    charts = []
    for number, unit in enumerate(units):
        rows = [measure for measure in measures if measure.unit == unit]
        compared = any(row.before is not None for row in rows)
        said = [t("{title}: {reading}.", title=t(row.title), reading=_spoken(row)) for row in rows]
        label = sentences([*([t("Before and after training.")] if compared else []), *said])
        legend = [(BEFORE, t("Before"))] if compared else []
        legend.append((AFTER, t("After" if compared else "Value")))
        if any(_has_goal(row) for row in rows):
            legend.append((GOAL, t("Goal")))
        drawing = _measure_drawing(rows, unit)
        charts.append(Chart(f"{prefix}-{number}", "", label, "", drawing, "rows", legend))
    return charts


def stage_charts(stage: StageRecord, prefix: str) -> list[Chart]:
    """Draw the panels with two finite values or more in the stage, or with one if it has one step."""
    charts = []
    for number, panel in enumerate(PANELS):
        found = {name: read_series(stage.metrics, name) for name in panel.metrics}
        found = {name: series for name, series in found.items() if series.values}
        if max((len(series.values) for series in found.values()), default=0) < min(2, len(stage.metrics)):
            continue
        several = len(found) > 1
        note = t("; ").join(_from_to(name, series, several, panel.noisy) for name, series in found.items())
        title = t(panel.title)
        label = t("{title} during {stage}: {note}", title=title, stage=stage.name, note=note)
        lines = [
            ChartLine(_short(name), tone, series, panel.noisy and not held_out(name))
            for (name, series), tone in zip(found.items(), (AFTER, SECOND), strict=False)
        ]
        drawing, hover = line_drawing(lines, panel.form)
        legend = [(line.tone, line.name) for line in lines] if len(lines) > 1 else []
        charts.append(Chart(f"{prefix}-{number}", title, label, note, drawing, "curves", legend, hover))
    return charts


def line_drawing(
    lines: Sequence[ChartLine], form: Literal["number", "share"], height: int = CURVE_HEIGHT
) -> tuple[Markup, dict[str, Any]]:
    """Draw lines over steps, and write the words for each step under the pointer.

    A smooth line of `SMOOTHED` steps or more is drawn faintly below its moving average.
    """
    steps = [step for line in lines for step in line.series.steps]
    low, high = (0.0, 1.03) if form == "share" else span_of([v for one in lines for v in one.series.values])
    first, last = (min(steps), max(steps)) if len(set(steps)) > 1 else (steps[0] - 1, steps[0] + 1)
    marks, told = [], []
    for line in lines:
        values = line.series.values
        places = thin(values)
        average = smoothed(values) if line.smooth and len(values) >= SMOOTHED else []
        xs, ys = [line.series.steps[place] for place in places], [values[place] for place in places]
        averages = [average[place] for place in places] if average else []
        marks += _line_marks(line, xs, ys, averages)
        told.append({"name": plain(line.name), "tone": line.tone, "xs": xs, "ys": [_digits(y) for y in ys]})
        if averages:
            told[-1]["smooth"] = [_digits(y) for y in averages]
    across = Scale(first, last, 5, "step")
    return draw(marks, across, Scale(low, high, 4, form), height), {"low": first, "high": last, "lines": told}


def _line_marks(
    line: ChartLine, xs: Sequence[float], ys: Sequence[float], averages: Sequence[float]
) -> Iterator[Mark]:
    look = "dotted" if line.dotted else "solid"
    if averages:
        yield Curve(line.tone, xs, ys, "faint")
        yield Curve(line.tone, xs, averages, look)
        return
    if len(xs) > 1:
        yield Curve(line.tone, xs, ys, look)
    if len(xs) <= FEW_POINTS:
        yield from (Dot(line.tone, x, y, 2.5) for x, y in zip(xs, ys, strict=True))


def _digits(value: float) -> float:
    return float(f"{value:.{DIGITS}g}")


def hover_json(charts: Sequence[Chart]) -> Markup:
    """Write the words under the pointer, by chart, as JSON that cannot end its script element."""
    words = {"step": t("step {n}"), "smooth": t("smoothed {value}")}
    told = {"words": words, "charts": {chart.id: chart.hover for chart in charts if chart.hover}}
    text = json.dumps(told, allow_nan=False, separators=(",", ":"))
    for character in "<>&":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return Markup(text)  # noqa: S704


def _reading(interval: Interval, unit: str) -> str:
    return t(", ").join([value_text(interval.estimate, unit), interval_text(interval, unit)])


def _spoken(measure: Measure) -> str:
    after = _reading(measure.after, measure.unit)
    if measure.before is None:
        return after
    return t("before {before}; after {after}", before=_reading(measure.before, measure.unit), after=after)


def _from_to(name: str, series: MetricSeries, several: bool, noisy: bool) -> str:
    """Write a metric's begin and end: of its evaluations, or means of the first and the last steps."""
    words = _number(sum(series.values) / len(series.values))
    if held_out(name) or not noisy:
        words = _arrow(series.values[:1] + series.values[1:][-1:])
    elif (found := ends(series.values)) is not None:
        words = _arrow([found.first, found.last])
    if several:
        words = f"{_short(name)} {words}"
    return t("{words} ({n} not finite)", words=words, n=series.not_finite) if series.not_finite else words


def _arrow(values: Sequence[float]) -> str:
    """Write values in their order, as "0.69 → 0.35"."""
    return " \N{RIGHTWARDS ARROW} ".join(map(_number, values))


def _number(value: float) -> str:
    return short_power(f"{value:.3g}").replace("-", "\N{MINUS SIGN}")


def _short(name: str) -> str:
    """Return the short name of a metric beside the other metrics of its panel."""
    last = name.rpartition("/")[2]
    return t("held out" if held_out(name) else last if last in SIDES else "training")


def _has_goal(measure: Measure) -> bool:
    return measure.goal is not None and measure.better != "near"


def _measure_drawing(measures: Sequence[Measure], unit: str) -> Markup:
    """Draw a row per measure: its title, the interval before above that after, the goal across both."""
    marks: list[Mark] = []
    for row, measure in enumerate(measures):
        place = -float(row)
        if measure.goal is not None and _has_goal(measure):
            tip = t("Goal: {goal}", goal=goal_text(measure))
            marks.append(Extent(GOAL, (measure.goal, measure.goal), (place - 0.2, place + 0.2), "thick", tip))
        if measure.before is not None:
            marks += interval_marks(measure.before, place + 0.1, unit, BEFORE, t("Before"), "hollow")
        marks += interval_marks(measure.after, place - 0.12, unit, AFTER, t("After"))
        marks.append(Words(place + 0.38, t(measure.title)))
    up = Scale(-len(measures) + 0.6, 0.65, 0)
    height = ROW_HEIGHT * len(measures)
    if unit == "%":
        return draw(marks, Scale(-0.02, 1.02, 6, "share"), up, height)
    return draw(marks, Scale(*_span(measures, unit), 6), up, height)


def interval_marks(
    interval: Interval,
    place: float,
    unit: str,
    tone: str,
    name: str,
    look: Literal["full", "hollow"] = "full",
) -> Iterator[Mark]:
    """Draw an estimate with its interval in the row `place`; nothing where there is no estimate."""
    if not math.isfinite(interval.estimate):
        return
    tip = f"{name} {value_text(interval.estimate, unit)}\n{interval_text(interval, unit)}"
    if math.isfinite(interval.low) and math.isfinite(interval.high):
        yield Extent(tone, (interval.low, interval.high), (place, place), "thick", tip)
    yield Dot(tone, interval.estimate, place, 5.5, look, tip)


def _span(measures: Sequence[Measure], unit: str) -> tuple[float, float]:
    """Return the range of the values shown and of the value that means "no change", with a margin."""
    values = [1.0 if unit == "x" else 0.0]
    for measure in measures:
        values += [measure.goal] if measure.goal is not None and _has_goal(measure) else []
        for side in (measure.before or measure.after, measure.after):
            values += [side.estimate, side.low, side.high]
    return span_of(values)
