"""Numbers, intervals and durations in the words of the language spoken."""

import math
from collections.abc import Mapping

from truing.core.messages import told
from truing.core.words import spoken, t
from truing.stats.intervals import Interval


def value_text(value: float, unit: str, *, signed: bool = False) -> str:
    """Write a number for a reader: `0.933, "%"` is "93.3%". One that is not finite is a dash."""
    if not math.isfinite(value):
        return "\N{EM DASH}"
    sign = "+" if signed else ""
    if unit == "%":
        share = f"{100 * value:{sign}.1f}"
        text = t("{n} points", n=share) if signed else f"{share}%"
    elif unit == "x":
        text = f"{value:{sign}.2f}\N{MULTIPLICATION SIGN}"
    elif unit == "nats":
        text = f"{value:{sign}.3f} nats"
    else:
        text = f"{value:{sign}.4g} {unit}".rstrip()
    return text.replace("-", "\N{MINUS SIGN}")


def range_text(interval: Interval, unit: str) -> str:
    """Write the ends of an interval: "91.0% to 95.2%"; a unit that is a word is left out."""
    low, high = (value_text(end, unit).removesuffix(f" {unit}") for end in (interval.low, interval.high))
    return t("{low} to {high}", low=low, high=high)


def interval_text(interval: Interval, unit: str) -> str:
    """Write the ends of an interval and its count: "91.0% to 95.2%, n 100"."""
    return f"{range_text(interval, unit)}, n {interval.n:,}"


def values_text(values: Mapping[str, float | None], note: str) -> str:
    """Write the scores of an answer as "safe 1 · a note"; a dash where there is no value."""
    said = [
        f"{name.rpartition('/')[2]} {'—' if value is None else format(value, '.3g')}"
        for name, value in values.items()
    ]
    return " · ".join([*said, *([told(note, spoken())] if note else [])])


def duration(seconds: float) -> str:
    """Write a duration in words: "0.8 s", "42 s", "1 min 24 s", "2 h 05 min"."""
    if seconds < 10:
        return t("{seconds} s", seconds=f"{seconds:.1f}")
    whole = round(seconds)
    if whole < 60:
        return t("{seconds} s", seconds=whole)
    if whole < 3600:
        return t("{minutes} min {seconds:02d} s", minutes=whole // 60, seconds=whole % 60)
    return t("{hours} h {minutes:02d} min", hours=whole // 3600, minutes=whole % 3600 // 60)
