"""The languages that truing's own prompts and pages are in."""

from typing import Literal

Language = Literal["en", "zh"]
