"""Charts as SVG in the page: drawn without a script, fit for print, coloured by the style sheet.

    marks and two scales -> `draw` -> Markup

A drawing is as wide as its place on the page and as tall as `draw` is told. Horizontal places are shares of
that width, so that text keeps its size on a phone; only paths are stretched. A tone is a class of
`templates/tokens.css` that names a colour. To draw another shape: a record in `Mark`, a case in `_drawn`.
"""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

from markupsafe import Markup

from truing.text.shown import plain

ACROSS = 1000  # units of a path from left to right
TICK_TEXT = 18  # pixels between the foot of a drawing and the words under it
SLACK = 1e-9  # share of a tick step by which rounding may miss an end


@dataclass(frozen=True, slots=True)
class Scale:
    """The values along one side, from `low` to `high`, with at most about `most` ticks; 0 draws none."""

    low: float
    high: float
    most: int = 5
    form: Literal["number", "share", "step"] = "number"
    title: str = ""

    def at(self, value: float) -> float:
        """Return the place of a value as a share of the way from `low` to `high`."""
        return (value - self.low) / (self.high - self.low)

    def ticks(self) -> list[tuple[float, str]]:
        """Return round values within the scale, with their text."""
        if not self.most:
            return []
        step = round_step((self.high - self.low) / self.most)
        if self.form == "step":
            step = max(1.0, step)
        first, last = math.ceil(self.low / step - SLACK), math.floor(self.high / step + SLACK)
        return [(place * step, tick_text(place * step, step, self.form)) for place in range(first, last + 1)]


@dataclass(frozen=True, slots=True)
class Curve:
    """A line through points in their order."""

    tone: str
    xs: Sequence[float]
    ys: Sequence[float]
    look: Literal["solid", "dotted", "faint"] = "solid"


@dataclass(frozen=True, slots=True)
class Dot:
    """A point; `tip` is shown under the pointer."""

    tone: str
    x: float
    y: float
    size: float = 5.0  # pixels from its middle to its edge
    look: Literal["full", "hollow", "diamond"] = "full"
    tip: str = ""


@dataclass(frozen=True, slots=True)
class Extent:
    """A shape between two points: the line from one to the other, or the bar with these corners."""

    tone: str
    xs: tuple[float, float]
    ys: tuple[float, float]
    look: Literal["thin", "thick", "dashed", "bar", "pale bar"] = "thin"
    tip: str = ""


@dataclass(frozen=True, slots=True)
class Words:
    """The name of a row, at the left edge."""

    y: float
    text: str


Mark = Curve | Dot | Extent | Words


def span_of(values: Sequence[float], *, air: float = 0.06) -> tuple[float, float]:
    """Return the least and the largest finite value with a margin; never twice the same value."""
    known = [value for value in values if math.isfinite(value)]
    low, high = min(known), max(known)
    wide = air * (high - low) or 0.1 * abs(high) or 0.5
    return low - wide, high + wide


def round_step(rough: float) -> float:
    """Return the least of 1, 2, 5 times a power of ten that is `rough` or more."""
    power = 10.0 ** math.floor(math.log10(rough))
    return next(power * factor for factor in (1, 2, 5, 10) if power * factor >= rough * (1 - SLACK))


def tick_text(value: float, step: float, form: str = "number") -> str:
    """Write a tick with as many digits as its step needs: "0.25", "40%", "20k", "2e−5"."""
    if form == "share":
        text = f"{100 * value:.{_decimals(100 * step)}f}%"
    elif value and step < 1e-3:
        digits = max(0, _power(value) - _power(step))
        text = short_power(f"{value:.{digits}e}")
    elif abs(value) >= 1e4:
        size, letter = (1e6, "M") if abs(value) >= 1e6 else (1e3, "k")
        text = f"{value / size:.{_decimals(step / size)}f}{letter}"
    else:
        text = f"{value:.{_decimals(step) if value else 0}f}"
    return text.replace("-", "\N{MINUS SIGN}")


def short_power(text: str) -> str:
    """Write an exponent as people do: "1.0e-04" is "1e-4"."""
    return re.sub(r"\.?0*e([+-])0?", r"e\1", text) if "e" in text else text


def _power(value: float) -> int:
    return math.floor(math.log10(abs(value)) + SLACK)


def _decimals(step: float) -> int:
    return max(0, -_power(step))


def draw(marks: Sequence[Mark], across: Scale, up: Scale, height: int) -> Markup:
    """Draw the marks over their axes as one `svg` element of `height` pixels; the first mark lies lowest."""
    frame = _Frame(across, up, height)
    drawn = [*_axes(frame), *(_drawn(mark, frame) for mark in marks)]
    head = Markup('<svg class="drawing" width="100%" height="{}" aria-hidden="true">').format(height)
    return head + Markup("").join(drawn) + Markup("</svg>")


@dataclass(frozen=True, slots=True)
class _Frame:
    across: Scale
    up: Scale
    height: int

    def x(self, value: float) -> str:
        return f"{100 * self.across.at(value):.2f}%"

    def y(self, value: float) -> str:
        return f"{self.height * (1 - self.up.at(value)):.1f}"


def _axes(frame: _Frame) -> list[Markup]:
    drawn = []
    for value, text in frame.up.ticks():
        y = frame.y(value)
        drawn.append(_filled('<line class="grid" x1="0" x2="100%" y1="{0}" y2="{0}"/>', y))
        drawn.append(_filled('<text class="tick up" x="-8" y="{}">{}</text>', y, text))
    for value, text in frame.across.ticks():
        x = frame.x(value)
        if not frame.up.most:  # rows are read along lines from below
            drawn.append(
                Markup('<line class="grid" x1="{0}" x2="{0}" y1="0" y2="{1}"/>').format(x, frame.height)
            )
        foot = frame.height + TICK_TEXT
        drawn.append(_filled('<text class="tick across" x="{}" y="{}">{}</text>', x, foot, text))
    if frame.across.title:
        foot, title = frame.height + 2 * TICK_TEXT + 2, plain(frame.across.title)
        drawn.append(_filled('<text class="title" x="50%" y="{}">{}</text>', foot, title))
    if frame.up.title:
        drawn.append(_filled('<text class="title up" x="-44" y="-14">{}</text>', plain(frame.up.title)))
    return drawn


def _drawn(mark: Mark, frame: _Frame) -> Markup:
    match mark:
        case Curve():
            return _curve(mark, frame)
        case Dot():
            return _dot(mark, frame)
        case Extent():
            return _span(mark, frame)
        case Words():
            text = '<text class="row" x="0" y="{}">{}</text>'
            return _filled(text, frame.y(mark.y), plain(mark.text))


def _span(mark: Extent, frame: _Frame) -> Markup:
    (x1, x2), (y1, y2) = (map(frame.x, mark.xs), map(frame.y, mark.ys))
    if not mark.look.endswith("bar"):
        text = '<line class="span {} {}" x1="{}" x2="{}" y1="{}" y2="{}"{}/>'
        return _filled(text, mark.look, mark.tone, x1, x2, y1, y2, _tip(mark.tip))
    wide = 100 * (frame.across.at(mark.xs[1]) - frame.across.at(mark.xs[0]))
    tall = float(y1) - float(y2)
    text = '<rect class="{} {}" x="{}" width="{:.2f}%" y="{}" height="{:.1f}"{}/>'
    return _filled(text, mark.look, mark.tone, x1, wide, y2, tall, _tip(mark.tip))


def _curve(mark: Curve, frame: _Frame) -> Markup:
    """Draw a path that is stretched to the width of the drawing, with a stroke that is not."""
    points = [
        f"{ACROSS * frame.across.at(x):.1f} {frame.y(y)}" for x, y in zip(mark.xs, mark.ys, strict=True)
    ]
    kept = [point for before, point in pairwise(["", *points]) if point != before]
    text = (
        '<svg viewBox="0 0 {} {}" preserveAspectRatio="none" width="100%" height="{}">'
        '<path class="curve {} {}" d="M{}"/></svg>'
    )
    path = "L".join(kept)
    return _filled(text, ACROSS, frame.height, frame.height, mark.look, mark.tone, path)


def _dot(mark: Dot, frame: _Frame) -> Markup:
    x, y, size = frame.x(mark.x), frame.y(mark.y), f"{mark.size:.1f}"
    if mark.look == "diamond":
        text = '<svg x="{}" y="{}"><path class="dot full {}" d="M0-{}L{} 0L0 {}L-{} 0Z"{}/></svg>'
        return _filled(text, x, y, mark.tone, *[size] * 4, _tip(mark.tip))
    text = '<circle class="dot {} {}" cx="{}" cy="{}" r="{}"{}/>'
    return _filled(text, mark.look, mark.tone, x, y, size, _tip(mark.tip))


def _filled(text: str, *values: object) -> Markup:
    """Fill an element of this file with escaped values."""
    return Markup(text).format(*values)  # noqa: S704


def _tip(words: str) -> Markup:
    return Markup(' data-tip="{}"').format(plain(words)) if words else Markup("")
