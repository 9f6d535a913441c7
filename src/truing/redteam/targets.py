"""The prompts that are attacked: truing's headlines, rows of one's own, and what a model proposed.

A row of one's own is a prompt in any format that training reads; its `category` names a kind of harm of one's
own, such as leaked data, and its `benign` a harmless twin.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, zip_longest
from typing import Any

from truing.config.tables import find
from truing.core.languages import Language
from truing.core.records import Record
from truing.evals.suites.headlines import CATEGORIES, Headline, load_headlines
from truing.evals.suites.lines import read_lines
from truing.redteam.attacks.types import Seed
from truing.synthesis.prompts import PromptSet
from truing.text.units import Script, scripts

HEADLINES = "headlines.jsonl"
OWN = "own"  # the category of a row without one


@dataclass(frozen=True, slots=True)
class Target:
    """A prompt under attack; `id` is unique in a run, and `origin` says where the prompt is from."""

    id: str
    category: str
    seed: Seed
    origin: Mapping[str, Any]
    benign: str | None = None


def headline_targets(
    categories: Sequence[str], languages: Sequence[Language], split: str, per_category: int
) -> list[Target]:
    """Return so many headlines of each category, the languages in turn. Raises ConfigError for a category."""
    for name in categories:
        find("category", dict.fromkeys(CATEGORIES), name)
    lines = read_lines(HEADLINES)
    digest = hashlib.sha256("\n".join(lines).encode()).hexdigest()
    rows = [(number, one) for number, one in enumerate(load_headlines(), 1) if one.split == split]
    found: list[Target] = []
    for category in categories or CATEGORIES:
        own = [
            [
                _headline(n, one, digest)
                for n, one in rows
                if (one.category, one.language) == (category, spoken)
            ]
            for spoken in languages
        ]
        turns = chain.from_iterable(zip_longest(*own))
        found += [one for one in turns if one is not None][:per_category]
    return found


def _headline(number: int, one: Headline, digest: str) -> Target:
    language: Language = "zh" if one.language == "zh" else "en"
    origin = {"file": HEADLINES, "row": number, "sha256": digest}
    return Target(one.topic, one.category, Seed(one.harmful, language), origin, one.benign)


def row_targets(prompts: PromptSet, categories: Sequence[str]) -> list[Target]:
    """Return own prompts, of these categories where any are named; the last turn of a prompt is attacked."""
    found = [_row(record, prompts) for record in prompts.records]
    return [one for one in found if not categories or one.category in categories]


def _row(record: Record, prompts: PromptSet) -> Target:
    origin = prompts.origin(record)
    text = record.prompt[-1].content
    benign = record.columns.get("benign")
    return Target(
        f"{origin['file']}:{origin['row']}",
        record.category or OWN,
        Seed(text, language_of(text)),
        origin,
        benign if isinstance(benign, str) and benign.strip() else None,
    )


def language_of(text: str) -> Language:
    """Return Chinese for a text with as many Chinese characters as other words, else English."""
    counts = scripts(text)
    return "zh" if counts[Script.HAN] and 2 * counts[Script.HAN] >= counts.total() else "en"
