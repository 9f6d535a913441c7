"""The measurements: figures.json for scripts, table.md for people, plot.svg to look at."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from truing.core.files import write_atomic
from truing.stats.intervals import Interval

TITLES = {
    "start": "start",
    "dpo": "DPO",
    "dpo_remedy": "DPO + remedy",
    "dpo_sft": "DPO + SFT mix",
    "dpo_positive": "DPO-Positive",
    "dpo_differing": "DPO, differing tokens",
}
COLOURS = {
    "dpo": "#c0392b",
    "dpo_remedy": "#7d4fb0",
    "dpo_sft": "#3f7fd9",
    "dpo_positive": "#2c9a68",
    "dpo_differing": "#cc7430",
}
LIKELIHOOD = {
    "chosen": "chosen, log-probability per token (nats)",
    "chosen_change": "… change against the start",
    "chosen_differing": "… of the tokens in which the two answers differ",
    "chosen_shared": "… of the tokens that both answers have",
    "rejected": "rejected, log-probability per token (nats)",
    "margin": "reward margin (β = 0.1)",
    "accuracy": "pairs with a margin above 0",
    "likelier": "pairs whose chosen answer is the likelier one",
}
ANSWERS = {
    "repeated_words": "repeated word 4-grams",
    "repeated_characters": "repeated character 10-grams",
    "digit_run": "longest run of digits (digits, mean)",
    "correct": "correct: all numbers are the reference's",
    "in_report": "all numbers are in the report",
    "empty": "empty",
    "cut": "cut off at the limit of tokens",
    "refused": "refused",
}
SHARES = {"accuracy", "likelier", *ANSWERS} - {"digit_run"}
PANELS = {"chosen": "Chosen answer, nats per token", "margin": "Reward margin"}  # of the held-out pairs
WIDTH, HEIGHT, EDGE = 380, 240, 44

Measured = Mapping[str, Mapping[str, Any]]  # a policy to what was measured of it


def write_figures(output: Path, settings: Mapping[str, Any], measured: Measured) -> None:
    """Write all three files into `output`."""
    content = {"settings": settings, "policies": measured}
    write_atomic(output / "figures.json", json.dumps(content, indent=1, default=asdict) + "\n")
    write_atomic(output / "table.md", table(measured))
    write_atomic(output / "plot.svg", svg(measured))


def table(measured: Measured) -> str:
    """One column per policy; behind a share or a mean over answers stands its 95 % interval."""
    lines = [
        "| held-out pairs | " + " | ".join(TITLES[name] for name in measured) + " |",
        "|---" * (len(measured) + 1) + "|",
    ]
    for key, title in LIKELIHOOD.items():
        cells = [_cell(key, one["likelihood"][key]) for one in measured.values()]
        lines.append(f"| {title} | " + " | ".join(cells) + " |")
    for drawn in next(iter(measured.values()))["answers"]:
        for key, title in ANSWERS.items():
            cells = [_cell(key, one["answers"][drawn][key]) for one in measured.values()]
            lines.append(f"| {drawn}: {title} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def _cell(key: str, value: float | Interval) -> str:
    if isinstance(value, Interval):
        low, high = (_number(key, end) for end in (value.low, value.high))
        return f"{_cell(key, value.estimate)} ({low} to {high})"
    return _number(key, value) + (" %" if key in SHARES else "")


def _number(key: str, value: float) -> str:
    return f"{100 * value:.0f}" if key in SHARES else f"{value:.2f}".replace("-", "−")


def lines_of(measured: Measured, key: str) -> dict[str, list[tuple[float, float]]]:
    """Each trained policy's held-out `key` over steps, beginning with the start."""
    first = (0.0, measured["start"]["likelihood"][key])
    return {
        name: [first]
        + [(row["step"], row[name_]) for row in one["history"] if (name_ := f"held_out/{key}") in row]
        for name, one in measured.items()
        if "history" in one
    }


def svg(measured: Measured) -> str:
    """The panels side by side, every line with its name in the legend below."""
    width, height = len(PANELS) * WIDTH, HEIGHT + 30
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="sans-serif" '
        f'font-size="12"><rect width="{width}" height="{height}" fill="#fff"/>'
    ]
    for place, (key, title) in enumerate(PANELS.items()):
        parts.append(f'<g transform="translate({place * WIDTH} 0)"><text x="{EDGE}" y="16">{title}</text>')
        parts += _panel(lines_of(measured, key))
        parts.append("</g>")
    for place, name in enumerate(COLOURS):
        x, y = EDGE + place * (width - EDGE) / len(COLOURS), HEIGHT + 14
        parts.append(f'<path d="M{x} {y}h18" stroke="{COLOURS[name]}" stroke-width="3"/>')
        parts.append(f'<text x="{x + 24}" y="{y + 4}">{TITLES[name]}</text>')
    return "\n".join([*parts, "</svg>\n"])


def _panel(lines: Mapping[str, Sequence[tuple[float, float]]]) -> list[str]:
    """The lines in a frame whose corners say the least and the largest value, and the last step."""
    steps = [step for line in lines.values() for step, _ in line]
    values = [value for line in lines.values() for _, value in line]
    low, span = min(values), (max(values) - min(values)) or 1.0
    wide, tall = WIDTH - EDGE - 12, HEIGHT - 50

    def at(step: float, value: float) -> str:
        return f"{EDGE + wide * step / max(steps):.1f},{26 + tall * (1 - (value - low) / span):.1f}"

    parts = [
        f'<rect x="{EDGE}" y="26" width="{wide}" height="{tall}" fill="none" stroke="#ccc"/>',
        f'<text x="{EDGE - 4}" y="36" text-anchor="end">{max(values):.1f}</text>',
        f'<text x="{EDGE - 4}" y="{26 + tall}" text-anchor="end">{low:.1f}</text>',
        f'<text x="{EDGE}" y="{HEIGHT - 8}">step 0</text>',
        f'<text x="{EDGE + wide}" y="{HEIGHT - 8}" text-anchor="end">{max(steps):.0f}</text>',
    ]
    for name, line in lines.items():
        points = " ".join(at(step, value) for step, value in line)
        parts.append(f'<polyline points="{points}" fill="none" stroke="{COLOURS[name]}" stroke-width="2"/>')
    return parts
