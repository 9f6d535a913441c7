"""The charts of a report: plotly figures without a template, coloured by the page's style sheet.

To draw another training metric, add a row to `PANELS`: its title, the metrics that share its axis and
how ticks are written. Names reach plotly escaped, because plotly reads a little HTML in labels.
"""

import html
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import plotly.graph_objects as go
from markupsafe import Markup

from truing.core.words import sentences, t
from truing.evals.intervals import Interval
from truing.evals.report_records import Measure, Stage, goal_text, interval_text, value_text

BEFORE_COLOUR = "#8a93a3"
AFTER_COLOUR = "#3f7fd9"
SECOND_COLOUR = "#cc7430"
GOAL_COLOUR = "#2c9a68"
ROW_HEIGHT = 66
MOST_POINTS = 2_000


@dataclass(frozen=True, slots=True)
class Panel:
    """One small chart of training: metrics that share an axis."""

    title: str
    metrics: tuple[str, ...]
    tick_format: str = "~g"


PANELS = (
    Panel("Loss", ("loss", "eval/loss")),
    Panel("Reward margin", ("rewards/margins", "eval/rewards/margins")),
    Panel("Reward accuracy", ("rewards/accuracies", "eval/rewards/accuracies"), ".0%"),
    Panel("Reward", ("reward", "eval/reward")),
    Panel("Response length in tokens", ("completions/mean_length",)),
    Panel("Entropy", ("entropy",)),
    Panel("Rewards", ("rewards/desirable", "rewards/undesirable")),
    Panel("Log-probabilities", ("logps/chosen", "logps/rejected")),
    Panel("Accuracy", ("accuracy", "eval/accuracy"), ".0%"),
    Panel("Margin", ("margin", "eval/margin")),
    Panel("Scores", ("score/chosen", "score/rejected")),
    Panel("Mean score", ("score", "eval/score")),
    Panel("Calibration error (ECE), held out", ("eval/ece",)),
    Panel("Correlation of score and length, held out", ("eval/length_correlation",)),
    Panel("KL", ("kl",)),
    Panel("KL on retained rows", ("kl/retained",)),
    Panel("Gradient norm", ("grad_norm",)),
    Panel("Learning rate", ("learning_rate",), ""),
)


@dataclass(frozen=True, slots=True)
class Chart:
    """One figure with its place in the page and the words that stand for it when it cannot be seen."""

    id: str
    title: str
    label: str
    note: str
    figure: go.Figure


@dataclass(frozen=True, slots=True)
class Series:
    """The finite values of one metric over steps, and how many were not finite."""

    steps: list[float]
    values: list[float]
    not_finite: int


def measure_charts(measures: Sequence[Measure], prefix: str) -> list[Chart]:
    """One chart per unit, in the order in which units first appear."""
    units = dict.fromkeys(measure.unit for measure in measures)
    charts = []
    for number, unit in enumerate(units):
        rows = [measure for measure in measures if measure.unit == unit]
        compared = any(row.before is not None for row in rows)
        said = [t("{title}: {reading}.", title=t(row.title), reading=_spoken(row)) for row in rows]
        label = sentences([*([t("Before and after training.")] if compared else []), *said])
        charts.append(Chart(f"{prefix}-{number}", "", label, "", _measure_figure(rows, unit)))
    return charts


def stage_charts(stage: Stage, prefix: str) -> list[Chart]:
    """The panels of which the stage has at least two finite values, or one where it has one step."""
    charts = []
    for number, panel in enumerate(PANELS):
        lines = {name: read_series(stage.metrics, name) for name in panel.metrics}
        lines = {name: line for name, line in lines.items() if line.values}
        if max((len(line.values) for line in lines.values()), default=0) < min(2, len(stage.metrics)):
            continue
        note = t("; ").join(_from_to(name, line, len(lines) > 1) for name, line in lines.items())
        title = t(panel.title)
        label = t("{title} during {stage}: {note}", title=title, stage=stage.name, note=note)
        figure = _stage_figure(panel, lines)
        charts.append(Chart(f"{prefix}-{number}", title, label, note, figure))
    return charts


def read_series(rows: Sequence[Mapping[str, Any]], name: str) -> Series:
    """The metric `name` of the rows that carry it, thinned to at most about `MOST_POINTS`."""
    points, not_finite = [], 0
    for row in rows:
        value = row.get(name)
        if value is None:
            continue
        if math.isfinite(value):
            points.append((row["step"], value))
        else:
            not_finite += 1
    points = thin(points, MOST_POINTS)
    return Series([step for step, _ in points], [value for _, value in points], not_finite)


def thin(points: list[tuple[float, float]], most: int) -> list[tuple[float, float]]:
    """At most `most` points (plus two) with the same ends and extremes: each bucket's lowest and highest."""
    if len(points) <= most:
        return points
    size = math.ceil(2 * len(points) / most)
    kept = {0, len(points) - 1}
    for start in range(0, len(points), size):
        bucket = range(start, min(start + size, len(points)))
        kept.add(min(bucket, key=lambda place: points[place][1]))
        kept.add(max(bucket, key=lambda place: points[place][1]))
    return [points[place] for place in sorted(kept)]


def figures_json(charts: Sequence[Chart]) -> Markup:
    """All figures by id as JSON that cannot end the script element it stands in."""
    figures = {chart.id: chart.figure.to_plotly_json() for chart in charts}
    text = json.dumps(figures, allow_nan=False, separators=(",", ":"))
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


def _from_to(name: str, line: Series, several: bool) -> str:
    ends = [f"{value:.3g}".replace("-", "\N{MINUS SIGN}") for value in (line.values[0], line.values[-1])]
    words = " \N{RIGHTWARDS ARROW} ".join(ends[: len(line.values)])
    if several:
        words = f"{_short(name)} {words}"
    return t("{words} ({n} not finite)", words=words, n=line.not_finite) if line.not_finite else words


def _short(name: str) -> str:
    """What a metric is called beside others of its panel."""
    return t("held out") if name.startswith("eval/") else name.rpartition("/")[2]


def _measure_figure(measures: Sequence[Measure], unit: str) -> go.Figure:
    figure = go.Figure(layout=base_layout(height=ROW_HEIGHT * len(measures) + 74))
    places = [-float(row) for row in range(len(measures))]
    before = [(p + 0.1, m.before) for p, m in zip(places, measures, strict=True) if m.before is not None]
    after = [(place - 0.12, measure.after) for place, measure in zip(places, measures, strict=True)]
    if before:
        figure.add_trace(_interval_trace(t("Before"), before, unit, BEFORE_COLOUR, "circle-open"))
    figure.add_trace(_interval_trace(t("After"), after, unit, AFTER_COLOUR, "circle"))
    goals = [
        (p, m) for p, m in zip(places, measures, strict=True) if m.goal is not None and m.better != "near"
    ]
    if goals:
        figure.add_trace(_goal_trace(goals, unit))
    for place, measure in zip(places, measures, strict=True):
        figure.add_annotation(
            text=html.escape(t(measure.title), quote=False),
            x=0,
            xref="paper",
            xanchor="left",
            y=place + 0.3,
            yanchor="bottom",
            showarrow=False,
        )
    figure.update_yaxes(visible=False, range=[places[-1] - 0.45, 0.75])
    if unit == "%":
        figure.update_xaxes(range=[-2, 102], ticksuffix="%", dtick=20)
    else:
        figure.update_xaxes(range=_span(measures, unit), tickformat="~g", nticks=6)
    return figure


def _span(measures: Sequence[Measure], unit: str) -> list[float]:
    """From the least to the largest value shown, with the value that means "no change", and some air."""
    values = [1.0 if unit == "x" else 0.0]
    for measure in measures:
        values += [measure.goal] if measure.goal is not None and measure.better != "near" else []
        for side in (measure.before or measure.after, measure.after):
            values += [side.estimate, side.low, side.high]
    values = [value for value in values if math.isfinite(value)]
    air = 0.06 * (max(values) - min(values) or 1.0)
    return [min(values) - air, max(values) + air]


def _interval_trace(
    name: str, rows: Sequence[tuple[float, Interval]], unit: str, colour: str, symbol: str
) -> go.Scatter:
    scale = _scale(unit)
    return go.Scatter(
        name=name,
        mode="markers",
        x=[scale * interval.estimate for _, interval in rows],
        y=[place for place, _ in rows],
        error_x={
            "type": "data",
            "symmetric": False,
            "array": [scale * _length(interval.estimate, interval.high) for _, interval in rows],
            "arrayminus": [scale * _length(interval.low, interval.estimate) for _, interval in rows],
            "color": colour,
            "thickness": 2,
            "width": 5,
        },
        marker={"color": colour, "symbol": symbol, "size": 11, "line": {"width": 2.5, "color": colour}},
        text=[
            f"{name} {value_text(interval.estimate, unit)}<br>{interval_text(interval, unit)}"
            for _, interval in rows
        ],
        hovertemplate="%{text}<extra></extra>",
        cliponaxis=False,
    )


def _goal_trace(rows: Sequence[tuple[float, Measure]], unit: str) -> go.Scatter:
    return go.Scatter(
        name=t("Goal"),
        mode="markers",
        x=[_scale(unit) * (measure.goal or 0.0) for _, measure in rows],
        y=[place for place, _ in rows],
        marker={"symbol": "line-ns", "size": 20, "line": {"width": 2, "color": GOAL_COLOUR}},
        text=[t("Goal: {goal}", goal=goal_text(measure)) for _, measure in rows],
        hovertemplate="%{text}<extra></extra>",
        cliponaxis=False,
    )


def _scale(unit: str) -> float:
    return 100.0 if unit == "%" else 1.0


def _length(low: float, high: float) -> float:
    return max(0.0, high - low) if math.isfinite(low) and math.isfinite(high) else 0.0


def _stage_figure(panel: Panel, lines: Mapping[str, Series]) -> go.Figure:
    figure = go.Figure(layout=base_layout(height=190))
    figure.update_layout(margin={"l": 52, "r": 10, "t": 8, "b": 30}, showlegend=len(lines) > 1)
    for (name, line), colour in zip(lines.items(), (AFTER_COLOUR, SECOND_COLOUR), strict=False):
        figure.add_trace(
            go.Scatter(
                name=_short(name),
                mode="lines" if len(line.values) > 1 else "markers",
                x=line.steps,
                y=line.values,
                line={"color": colour, "width": 2},
                hovertemplate=t("step %{x}: %{y}") + "<extra></extra>",
            )
        )
    figure.update_yaxes(tickformat=panel.tick_format, exponentformat="e", nticks=5, ticklabelstandoff=6)
    if panel.tick_format.endswith("%"):
        figure.update_yaxes(range=[0, 1.03])
    figure.update_xaxes(showgrid=False, nticks=6, tickformat="~s")
    return figure


def base_layout(height: int) -> dict[str, Any]:
    """What every figure of a report looks like."""
    axis = {"fixedrange": True, "zeroline": False, "ticks": ""}
    return {
        "height": height,
        "margin": {"l": 4, "r": 22, "t": 34, "b": 34},
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "font": {"family": "system-ui, -apple-system, 'Segoe UI', Roboto, sans-serif", "size": 13},
        "legend": {"orientation": "h", "x": 1, "xanchor": "right", "y": 1, "yanchor": "bottom"},
        "xaxis": dict(axis),
        "yaxis": dict(axis),
        "dragmode": False,
        "hovermode": "closest",
    }
