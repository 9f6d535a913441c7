"""The charts of several runs: curves over steps, the KL-reward frontier, and how values are distributed.

A run has one colour everywhere, that of its place in `COLOURS`; `templates/report.css` names the same ones.
Names of folders reach plotly escaped, because plotly reads a little HTML in labels.
"""

import html
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain

import plotly.graph_objects as go

from truing.core.words import t
from truing.evals.compare_records import Box, Comparison, Frontier, Point, Spread
from truing.evals.report_charts import PANELS, Chart, Panel, Series, base_layout, read_series
from truing.evals.report_records import value_text
from truing.evals.report_text import plain

COLOURS = ("#3f7fd9", "#cc7430", "#2c9a68", "#9a5fd0", "#cf4a5b", "#1795a8", "#9c8420", "#8a93a3")
DASHES = ("solid", "dot")
CURVE_HEIGHT = 220
BOX_HEIGHT = 34
MOST_POINTS = 500  # of a run on the frontier

Lines = Mapping[str, Mapping[int, Series]]  # by metric, by run


@dataclass(frozen=True, slots=True)
class ComparisonCharts:
    """Charts by section."""

    curves: Sequence[Chart] = ()
    frontier: Chart | None = None
    spreads: Sequence[Chart] = ()

    def __iter__(self) -> Iterator[Chart]:
        return chain(self.curves, [self.frontier] if self.frontier is not None else [], self.spreads)


def comparison_charts(comparison: Comparison) -> ComparisonCharts:
    """All charts of a comparison."""
    names = [_label(run.name) for run in comparison.runs]
    return ComparisonCharts(
        list(_curves(names, comparison)),
        _frontier(names, comparison.frontier) if comparison.frontier is not None else None,
        [_spread(names, spread, f"spread-{place}") for place, spread in enumerate(comparison.spreads)],
    )


def _label(name: str) -> str:
    return html.escape(plain(name), quote=False)


def _line(place: int, dash: str = "solid") -> dict[str, object]:
    return {"color": COLOURS[place], "width": 2, "dash": dash}


# Over steps


def _curves(names: Sequence[str], comparison: Comparison) -> Iterator[Chart]:
    """The panels in which any run has two finite values, or one where no run is longer than a step."""
    longest = max((len(rows) for rows in comparison.metrics), default=0)
    for number, panel in enumerate(PANELS):
        lines = _lines(panel, comparison)
        drawn = [line for by_run in lines.values() for line in by_run.values()]
        if max((len(line.values) for line in drawn), default=0) >= min(2, max(longest, 1)):
            ends = [
                t(
                    "{run} {metric} ends at {value}",
                    run=names[place],
                    metric=name,
                    value=value_text(line.values[-1], ""),
                )
                for name, by_run in lines.items()
                for place, line in by_run.items()
            ]
            yield Chart(
                f"curve-{number}",
                t(panel.title),
                t("{title} over steps: {ends}.", title=t(panel.title), ends=t("; ").join(ends)),
                _key(lines),
                _curve_figure(names, panel, lines),
            )


def _lines(panel: Panel, comparison: Comparison) -> dict[str, dict[int, Series]]:
    found = {
        name: {
            place: line
            for place, rows in enumerate(comparison.metrics)
            if (line := read_series(rows, name)).values
        }
        for name in panel.metrics
    }
    return {name: by_run for name, by_run in found.items() if by_run}


def _key(lines: Lines) -> str:
    """What the kinds of line mean, and what could not be drawn."""
    kinds = [
        t("{metric} dotted" if place else "{metric} solid", metric=name) for place, name in enumerate(lines)
    ]
    said = t(", ").join(lines if len(lines) == 1 else kinds)
    lost = sum(line.not_finite for by_run in lines.values() for line in by_run.values())
    return t("{said} ({n} values not finite)", said=said, n=lost) if lost else said


def _curve_figure(names: Sequence[str], panel: Panel, lines: Lines) -> go.Figure:
    figure = go.Figure(layout=base_layout(CURVE_HEIGHT))
    figure.update_layout(margin={"l": 52, "r": 10, "t": 8, "b": 30}, showlegend=False)
    for (metric, by_run), dash in zip(lines.items(), DASHES, strict=False):
        for place, line in by_run.items():
            figure.add_trace(
                go.Scatter(
                    name=names[place],
                    mode="lines" if len(line.values) > 1 else "markers",
                    x=line.steps,
                    y=line.values,
                    line=_line(place, dash),
                    marker={"color": COLOURS[place]},
                    hovertemplate=t("{metric}, step %{{x}}: %{{y}}", metric=metric)
                    + "<extra>%{fullData.name}</extra>",
                )
            )
    figure.update_yaxes(tickformat=panel.tick_format, exponentformat="e", nticks=5, ticklabelstandoff=6)
    if panel.tick_format.endswith("%"):
        figure.update_yaxes(range=[0, 1.03])
    figure.update_xaxes(showgrid=False, nticks=6, tickformat="~s")
    return figure


# KL against reward


def _frontier(names: Sequence[str], frontier: Frontier) -> Chart:
    ends = [
        t(
            "{run} ends at {reward} for {kl}",
            run=name,
            reward=value_text(path[-1].reward, ""),
            kl=value_text(path[-1].kl, "nats"),
        )
        for name, path in zip(names, frontier.paths, strict=True)
        if path
    ]
    figure = go.Figure(layout=base_layout(380))
    figure.update_layout(margin={"l": 60, "r": 14, "t": 10, "b": 48}, showlegend=False)
    for place, path in enumerate(frontier.paths):
        if path:
            figure.add_trace(_path_trace(names[place], thinned(path), place))
    figure.update_xaxes(title=_axis(t("KL to the reference, nats per token")), tickformat="~g", nticks=8)
    which = t("held-out prompts" if frontier.held_out else "training prompts")
    figure.update_yaxes(title=_axis(t("mean reward on {prompts}", prompts=which)), tickformat="~g", nticks=7)
    label = t("Reward over KL, {prompts}: {ends}.", prompts=which, ends=t("; ").join(ends))
    return Chart("frontier", "", label, "", figure)


def _path_trace(name: str, path: Sequence[Point], place: int) -> go.Scatter:
    last = len(path) - 1
    return go.Scatter(
        name=name,
        mode="lines+markers",
        x=[point.kl for point in path],
        y=[point.reward for point in path],
        customdata=[point.step for point in path],
        line={**_line(place), "width": 1.5},
        marker={
            "color": COLOURS[place],
            "size": [15 if number == last else 4 for number in range(len(path))],
            "opacity": 1,
            "line": {"width": 0},
            "symbol": ["circle" if number < last else "diamond" for number in range(len(path))],
        },
        hovertemplate=t("step %{customdata}: reward %{y:.4g} at %{x:.4g} nats")
        + "<extra>%{fullData.name}</extra>",
        cliponaxis=False,
    )


def thinned(path: Sequence[Point]) -> list[Point]:
    """At most about MOST_POINTS of a path, with both of its ends."""
    stride = -(-len(path) // MOST_POINTS)
    return [*path[:-1:stride], path[-1]]


def _axis(title: str) -> dict[str, object]:
    return {"text": title, "font": {"size": 12.5}, "standoff": 8}


# Distributions


def _spread(names: Sequence[str], spread: Spread, place: str) -> Chart:
    boxes = [(number, box) for number, box in enumerate(spread.boxes) if box is not None]
    said = [t("{run}: {box}", run=names[number], box=_box_text(box)) for number, box in boxes]
    figure = go.Figure(layout=base_layout(BOX_HEIGHT * len(boxes) + 60))
    figure.update_layout(margin={"l": 8, "r": 14, "t": 8, "b": 34}, showlegend=False, boxgap=0.35)
    for number, box in reversed(boxes):
        figure.add_trace(_box_trace(names[number], box, number))
    figure.update_xaxes(tickformat="~g", nticks=7)
    figure.update_yaxes(automargin=True, ticklabelstandoff=6)
    medians = " · ".join(f"{names[number]} {value_text(box.median, '')}" for number, box in boxes)
    title = t(spread.title)
    label = t("{title}. {boxes}.", title=title, boxes=t("; ").join(said))
    return Chart(place, title, label, t("medians: {medians}", medians=medians), figure)


def _box_text(box: Box) -> str:
    first, median, third = (value_text(value, "") for value in (box.first, box.median, box.third))
    return t(
        "median {median}, middle half {first} to {third}, n {n:,}",
        median=median,
        first=first,
        third=third,
        n=box.n,
    )


def _box_trace(name: str, box: Box, place: int) -> go.Box:
    return go.Box(
        name=name,
        orientation="h",
        y=[name],
        q1=[box.first],
        median=[box.median],
        q3=[box.third],
        lowerfence=[box.low],
        upperfence=[box.high],
        marker={"color": COLOURS[place]},
        line={"width": 2},
    )
