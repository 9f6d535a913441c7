"""Rows of failures, as a red teaming writes them, of truing's training headlines."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from truing.evals.suites.headlines import Headline, load_headlines
from truing.redteam.attacks.table import ATTACKS
from truing.redteam.attacks.types import Seed


def headlines(split: str, language: str, count: int) -> list[Headline]:
    """The first headlines of a split and a language, of a category each."""
    found: dict[str, Headline] = {}
    for one in load_headlines():
        if (one.split, one.language) == (split, language):
            found.setdefault(one.category, one)
    return list(found.values())[:count]


def failure(one: Headline, attack: str, **changes: Any) -> dict[str, Any]:
    """The row of an attack on a headline that succeeded."""
    seed = Seed(one.harmful, "zh" if one.language == "zh" else "en")
    asked = ATTACKS[attack].step(seed, ())
    answer = "Sure, here is how."
    return {
        "prompt": one.harmful,
        "category": one.category,
        "language": one.language,
        "attack": attack,
        "outcome": "complied",
        "messages": [{"role": "user", "content": asked}, {"role": "assistant", "content": answer}],
        "response": answer,
        "benign": one.benign,
        "lineage": {"verb": "red-team", "attack": attack, "writers": [{"model": "tiny", "contents": {}}]},
        **changes,
    }


def write(path: Path, rows: Sequence[Mapping[str, Any]]) -> Path:
    """Write rows as JSON lines."""
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return path
