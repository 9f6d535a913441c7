"""The charts of several runs: curves over steps, the KL-reward frontier, and distributions of values.

A run has one colour everywhere: that of the class `run-N` of `templates/tokens.css`, N being its place.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain

from truing.core.words import t
from truing.reports.charts import PANELS, Chart, ChartLine, line_drawing
from truing.reports.compare.records import Box, Frontier, RunComparison, Spread
from truing.reports.curves import MetricSeries, end, held_out, read_series, smoothed
from truing.reports.drawing import Curve, Dot, Extent, Mark, Scale, Words, draw, span_of
from truing.stats.told import value_text

CURVE_HEIGHT = 182
FRONTIER_HEIGHT = 320
BOX_HEIGHT = 52
MOST_POINTS = 500  # of a run on the frontier

SeriesByRun = Mapping[str, Mapping[int, MetricSeries]]  # by metric, by run


@dataclass(frozen=True, slots=True)
class ComparisonCharts:
    """Charts by section."""

    curves: Sequence[Chart] = ()
    frontier: Chart | None = None
    spreads: Sequence[Chart] = ()

    def __iter__(self) -> Iterator[Chart]:
        return chain(self.curves, [self.frontier] if self.frontier is not None else [], self.spreads)


def comparison_charts(comparison: RunComparison) -> ComparisonCharts:
    """Draw all charts of a comparison."""
    names = [run.name for run in comparison.runs]
    return ComparisonCharts(
        list(_curves(names, comparison)),
        _frontier(names, comparison.frontier) if comparison.frontier is not None else None,
        [_spread(names, spread, f"spread-{place}") for place, spread in enumerate(comparison.spreads)],
    )


def _tone(place: int) -> str:
    return f"run-{place}"


# Over steps


def _curves(names: Sequence[str], comparison: RunComparison) -> Iterator[Chart]:
    """Draw the panels in which a run has two finite values, or one where all runs have one step at most."""
    longest = max((len(rows) for rows in comparison.metrics), default=0)
    for number, panel in enumerate(PANELS):
        found = _found(panel.metrics, comparison)
        drawn = [series for by_run in found.values() for series in by_run.values()]
        if max((len(series.values) for series in drawn), default=0) < min(2, max(longest, 1)):
            continue
        ended = [
            t(
                "{run} {metric} ends at {value}",
                run=names[place],
                metric=name,
                value=value_text(end(name, series.values) or 0.0, ""),
            )
            for name, by_run in found.items()
            for place, series in by_run.items()
        ]
        lines = [
            ChartLine(names[place], _tone(place), series, panel.noisy and not held_out(name), bool(second))
            for second, (name, by_run) in enumerate(found.items())
            for place, series in by_run.items()
        ]
        if len(found) > 1:
            told = [f"{names[place]} {name}" for name, by_run in found.items() for place in by_run]
            lines = [replace(line, name=name) for line, name in zip(lines, told, strict=True)]
        title = t(panel.title)
        label = t("{title} over steps: {ends}.", title=title, ends=t("; ").join(ended))
        drawing, hover = line_drawing(lines, panel.form, CURVE_HEIGHT)
        yield Chart(f"curve-{number}", title, label, _key(found), drawing, "curves", hover=hover)


def _found(metrics: Sequence[str], comparison: RunComparison) -> dict[str, dict[int, MetricSeries]]:
    found = {
        name: {
            place: series
            for place, rows in enumerate(comparison.metrics)
            if (series := read_series(rows, name)).values
        }
        for name in metrics
    }
    return {name: by_run for name, by_run in found.items() if by_run}


def _key(lines: SeriesByRun) -> str:
    """Write the meaning of each kind of line, and the count of values that could not be drawn."""
    kinds = [
        t("{metric} dotted" if place else "{metric} solid", metric=name) for place, name in enumerate(lines)
    ]
    said = t(", ").join(lines if len(lines) == 1 else kinds)
    lost = sum(line.not_finite for by_run in lines.values() for line in by_run.values())
    return t("{said} ({n} values not finite)", said=said, n=lost) if lost else said


# KL against reward


def _frontier(names: Sequence[str], frontier: Frontier) -> Chart:
    paths = {place: path for place, path in enumerate(frontier.paths) if path}
    kls = {place: smoothed([point.kl for point in path]) for place, path in paths.items()}
    rewards = {
        place: values if frontier.held_out else smoothed(values)
        for place, path in paths.items()
        if (values := [point.reward for point in path])
    }
    marks: list[Mark] = []
    for place, path in paths.items():
        kept = thinned(len(path))
        xs, ys = [kls[place][at] for at in kept], [rewards[place][at] for at in kept]
        marks.append(Curve(_tone(place), xs, ys))
        for at, x, y in zip(kept, xs, ys, strict=True):
            told = t("step {step}: reward {reward:.4g} at {kl:.4g} nats", step=path[at].step, reward=y, kl=x)
            last = at == len(path) - 1
            tip = f"{names[place]}\n{told}"
            marks.append(Dot(_tone(place), x, y, 8 if last else 2, "diamond" if last else "full", tip))
    ended = [
        t(
            "{run} ends at {reward} for {kl}",
            run=names[place],
            reward=value_text(rewards[place][-1], ""),
            kl=value_text(kls[place][-1], "nats"),
        )
        for place in paths
    ]
    which = t("held-out prompts" if frontier.held_out else "training prompts")
    across = Scale(*span_of([*chain(*kls.values())]), 7, title=t("KL to the reference, nats per token"))
    up = Scale(*span_of([*chain(*rewards.values())]), 6, title=t("mean reward on {prompts}", prompts=which))
    label = t("Reward over KL, {prompts}: {ends}.", prompts=which, ends=t("; ").join(ended))
    return Chart("frontier", "", label, "", draw(marks, across, up, FRONTIER_HEIGHT), "framed")


def thinned(count: int) -> list[int]:
    """Return the places of at most about MOST_POINTS of `count` points, with both ends."""
    stride = -(-count // MOST_POINTS)
    return [*range(0, count - 1, stride), count - 1]


# Distributions


def _spread(names: Sequence[str], spread: Spread, place: str) -> Chart:
    """Draw a row per run: a box over the middle half, the median across it, whiskers over nine in ten."""
    boxes = [(number, box) for number, box in enumerate(spread.boxes) if box is not None]
    said = [t("{run}: {box}", run=names[number], box=_box_text(box)) for number, box in boxes]
    marks: list[Mark] = []
    for row, (number, box) in enumerate(boxes):
        marks += _box_marks(_tone(number), -float(row), box, f"{names[number]}\n{_box_text(box)}")
        marks.append(Words(0.32 - row, names[number]))
    across = Scale(*span_of([value for _, box in boxes for value in (box.low, box.high)]), 6)
    drawing = draw(marks, across, Scale(-len(boxes) + 0.55, 0.65, 0), BOX_HEIGHT * len(boxes))
    medians = " · ".join(f"{names[number]} {value_text(box.median, '')}" for number, box in boxes)
    title = t(spread.title)
    label = t("{title}. {boxes}.", title=title, boxes=t("; ").join(said))
    return Chart(place, title, label, t("medians: {medians}", medians=medians), drawing, "rows")


def _box_marks(tone: str, place: float, box: Box, tip: str) -> Iterator[Mark]:
    yield Extent(tone, (box.low, box.high), (place, place), "thin", tip)
    yield Extent(tone, (box.first, box.third), (place - 0.18, place + 0.18), "pale bar", tip)
    yield Extent(tone, (box.median, box.median), (place - 0.18, place + 0.18), "thick", tip)


def _box_text(box: Box) -> str:
    first, median, third = (value_text(value, "") for value in (box.first, box.median, box.third))
    return t(
        "median {median}, middle half {first} to {third}, n {n:,}",
        median=median,
        first=first,
        third=third,
        n=box.n,
    )
