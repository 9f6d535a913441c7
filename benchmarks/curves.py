"""Lines over steps or sizes as a small SVG: one panel per line, least and largest value at its corners."""

from collections.abc import Sequence
from dataclasses import dataclass

WIDTH, HEIGHT, LEFT, TOP = 380, 220, 48, 26
COLOURS = ("#2c7fb8", "#c0392b", "#2c9a68", "#8e5ea2")


@dataclass(frozen=True)
class Line:
    """The lines of one panel."""

    title: str
    steps: Sequence[float]
    values: Sequence[float]
    across: str = "step"


def draw(lines: Sequence[Line]) -> str:
    """The panels side by side."""
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH * len(lines)} {HEIGHT}" '
        f'font-family="sans-serif" font-size="12"><rect width="100%" height="100%" fill="#fff"/>'
    )
    return "\n".join([head, *(_panel(place, line) for place, line in enumerate(lines)), "</svg>\n"])


def _panel(place: int, line: Line) -> str:
    low, span = min(line.values), (max(line.values) - min(line.values)) or 1.0
    wide, tall, last = WIDTH - LEFT - 12, HEIGHT - TOP - 24, max(line.steps)
    points = " ".join(
        f"{LEFT + wide * step / last:.1f},{TOP + tall * (1 - (value - low) / span):.1f}"
        for step, value in zip(line.steps, line.values, strict=True)
    )
    return (
        f'<g transform="translate({place * WIDTH} 0)"><text x="{LEFT}" y="16">{line.title}</text>'
        f'<rect x="{LEFT}" y="{TOP}" width="{wide}" height="{tall}" fill="none" stroke="#ccc"/>'
        f'<text x="{LEFT - 4}" y="{TOP + 10}" text-anchor="end">{max(line.values):.2f}</text>'
        f'<text x="{LEFT - 4}" y="{TOP + tall}" text-anchor="end">{low:.2f}</text>'
        f'<text x="{LEFT}" y="{HEIGHT - 8}">{line.across} 0</text>'
        f'<text x="{LEFT + wide}" y="{HEIGHT - 8}" text-anchor="end">{last:g}</text>'
        f'<polyline points="{points}" fill="none" stroke="{COLOURS[place]}" stroke-width="2"/></g>'
    )
