"""Win rates at equal length beside those that AlpacaEval 2 published, as numbers and as a small SVG.

usage: python benchmarks/length_control.py ANNOTATIONS.json.gz --svg FIGURE.svg

The file holds one entry a model: `leaderboard` with the published rates, and per prompt `preference` (1 for
the baseline to 2 for the model), `length` and `baseline_length` in characters.
"""

import argparse
import gzip
import json
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from truing.stats.win_rate import Judged, length_controlled

SIZE, EDGE = 360, 44


@dataclass(frozen=True)
class Compared:
    """One model's rates in percent."""

    name: str
    raw: float
    published: float
    ours: float


def compare(name: str, model: dict[str, Any]) -> Compared:
    """The raw rate, and the one at equal length as published and as worked out here."""
    columns = (model[key] for key in ("prompt", "preference", "length", "baseline_length"))
    judged = [
        Judged(prompt, None if given is None else given - 1, length, baseline)
        for prompt, given, length, baseline in zip(*columns, strict=True)
    ]
    published = model["leaderboard"]
    ours = 100 * length_controlled(judged, draws=2).interval.estimate
    return Compared(name, published["win_rate"], published["length_controlled_winrate"], ours)


def draw(found: Sequence[Compared]) -> str:
    """Ours over published, a point a model; points on the diagonal agree."""
    most = 10 * (max(max(one.published, one.ours) for one in found) // 10 + 1)

    def at(value: float) -> float:
        return EDGE + (SIZE - EDGE - 12) * value / most

    def point(one: Compared) -> str:
        where = f'cx="{at(one.published):.1f}" cy="{SIZE - at(one.ours):.1f}"'
        return f'<circle {where} r="4" fill="#2c7fb8" fill-opacity=".7"><title>{one.name}</title></circle>'

    ticks = range(0, int(most) + 1, 20)
    marks = [f'<text x="{at(t):.0f}" y="{SIZE - EDGE + 16}" text-anchor="middle">{t}</text>' for t in ticks]
    marks += [f'<text x="{EDGE - 6}" y="{SIZE - at(t) + 4:.0f}" text-anchor="end">{t}</text>' for t in ticks]
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {SIZE} {SIZE}" font-family="sans-serif" '
            'font-size="12"><rect width="100%" height="100%" fill="#fff"/>',
            f'<path d="M{at(0)} {SIZE - at(0)}L{at(most)} {SIZE - at(most)}" stroke="#bbb"/>',
            *map(point, found),
            *marks,
            f'<text x="{SIZE / 2}" y="{SIZE - 8}" text-anchor="middle">published, %</text>',
            f'<text text-anchor="middle" transform="translate(14 {SIZE / 2}) rotate(-90)">ours, %</text>',
            "</svg>\n",
        ]
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("annotations", type=Path)
    parser.add_argument("--svg", type=Path, help="where the figure goes")
    asked = parser.parse_args()
    models = json.loads(gzip.decompress(asked.annotations.read_bytes()))
    found = sorted((compare(name, model) for name, model in models.items()), key=lambda one: one.published)
    for one in found:
        print(f"{one.name:36} raw {one.raw:5.1f}  published {one.published:5.1f}  ours {one.ours:5.1f}")
    apart = [one.ours - one.published for one in found]
    print(
        f"{len(found)} models: mean absolute difference {statistics.mean(map(abs, apart)):.2f} points, "
        f"largest {max(map(abs, apart)):.1f}, mean {statistics.mean(apart):+.2f}"
    )
    if asked.svg:
        asked.svg.write_text(draw(found), encoding="utf-8")


if __name__ == "__main__":
    main()
