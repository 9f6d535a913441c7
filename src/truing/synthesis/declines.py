"""Helpful refusals by rule: what it will not do, why, what it can do instead, in English and Chinese.

The lines are those of `refusals_en.yaml` and `refusals_zh.yaml`, by category; a category without lines of its
own takes those of `general`. To add a line or a category, add it to both files; a test reads every
combination with the refusal classifier.
"""

import random
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

import yaml

HERE = Path(__file__).parent
GENERAL = "general"
LINES = ("wont", "why", "instead")
BETWEEN = {"en": " ", "zh": ""}  # between two sentences


def refusal_lines(language: str) -> Path:
    """Return the file of the lines in a language."""
    return HERE / f"refusals_{language}.yaml"


def refusal_by_rule(category: str | None, language: str, chance: str) -> str:
    """Return a refusal for a category; `chance`, any text, chooses its lines."""
    lines = parts_of(language)
    parts = lines.get(category or GENERAL, lines[GENERAL])
    drawn = random.Random(chance)
    return BETWEEN[language].join(drawn.choice(parts[name]) for name in LINES)


@cache
def parts_of(language: str) -> Mapping[str, Mapping[str, Sequence[str]]]:
    """Return the lines of a language by category and by the names in `LINES`."""
    return yaml.safe_load(refusal_lines(language).read_text(encoding="utf-8"))
