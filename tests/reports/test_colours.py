"""The colours of charts are told apart with any kind of colour vision, on a light and on a dark page."""

import math
import re
from itertools import combinations
from pathlib import Path

import pytest

import truing

CSS = (Path(truing.__file__).parent / "reports" / "templates" / "tokens.css").read_text(encoding="utf-8")
COLOURS = dict(re.findall(r"\.((?:run|tone)-\w+) \{ --run: (#[0-9a-f]{6}); \}", CSS))
CARDS = re.findall(r"--card: (#[0-9a-f]{6})", CSS)
# What remains of linear red, green and blue: Machado, Oliveira and Fernandes 2009, table 1, severity 1.
VISIONS = {
    "trichromat": ((1, 0, 0), (0, 1, 0), (0, 0, 1)),
    "protanope": (
        (0.152286, 1.052583, -0.204868),
        (0.114503, 0.786281, 0.099216),
        (-0.003882, -0.048116, 1.051998),
    ),
    "deuteranope": (
        (0.367322, 0.860646, -0.227968),
        (0.280085, 0.672501, 0.047413),
        (-0.011820, 0.042940, 0.968881),
    ),
}
TO_XYZ = ((0.4124, 0.3576, 0.1805), (0.2126, 0.7152, 0.0722), (0.0193, 0.1192, 0.9505))
WHITE = (0.9505, 1.0, 1.0890)
Triple = tuple[float, float, float]


def times(matrix, values: Triple) -> Triple:
    a, b, c = (sum(m * v for m, v in zip(row, values, strict=True)) for row in matrix)
    return a, b, c


def linear(colour: str) -> Triple:
    """The light of an sRGB colour such as #3f7fd9, each part from 0 to 1."""
    parts = (int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5))
    a, b, c = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return a, b, c


def lab(light: Triple) -> Triple:
    """CIE L*a*b*, in which 2 is the least difference that is seen side by side."""
    parts = (max(v, 0.0) / w for v, w in zip(times(TO_XYZ, light), WHITE, strict=True))
    x, y, z = (part ** (1 / 3) if part > 0.008856 else 7.787 * part + 16 / 116 for part in parts)
    return 116 * y - 16, 500 * (x - y), 200 * (y - z)


def apart(one: str, other: str) -> float:
    """The least distance of two colours over all kinds of vision."""
    seen = [[lab(times(matrix, linear(colour))) for colour in (one, other)] for matrix in VISIONS.values()]
    return min(math.dist(a, b) for a, b in seen)


def contrast(one: str, other: str) -> float:
    low, high = sorted(times(TO_XYZ, linear(colour))[1] for colour in (one, other))
    return (high + 0.05) / (low + 0.05)


def test_the_measure_knows_what_is_confused():
    assert contrast("#000000", "#ffffff") == pytest.approx(21, abs=0.01)
    assert lab(linear("#ffffff")) == pytest.approx((100, 0, 0), abs=0.1)
    assert apart("#2c9a68", "#cf4a5b") < 15 < math.dist(lab(linear("#2c9a68")), lab(linear("#cf4a5b")))


@pytest.mark.parametrize("kind", ["run", "tone"])
def test_no_two_of_a_chart_are_alike_to_anybody(kind: str):
    found = {name: colour for name, colour in COLOURS.items() if name.startswith(kind)}
    assert len(found) == {"run": 8, "tone": 4}[kind]
    for one, other in combinations(found, 2):
        assert apart(found[one], found[other]) > 20, (one, other)


def test_each_is_seen_on_a_light_and_on_a_dark_page():
    assert len(CARDS) == 2
    for name, colour in COLOURS.items():
        assert min(contrast(colour, card) for card in CARDS) > 2.5, name
