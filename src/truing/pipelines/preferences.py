"""Preferences made on the spot: a written refusal against what the model says, and the mirror image.

    harmful headline   chosen: the refusal written for it     rejected: the model's own response
    benign look-alike  chosen: the model's own response       rejected: a refusal of another topic

The second half is what keeps refusal training from teaching over-refusal. The model's own words are
cut back to their last whole sentence, since a truncated response would teach it to stop mid-sentence.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from truing.evals.refusal import is_refusal
from truing.pipelines.headlines import Headline

_SENTENCE_END = re.compile(r"[.!?。！？](?=\s|$|[\"'”’)])|[。！？]")


@dataclass(frozen=True)
class Made:
    """Rows ready to be written, and what was not usable, by reason."""

    rows: list[dict[str, Any]]
    read: int
    aside: dict[str, int]


def whole_sentences(text: str) -> str:
    """`text` up to the end of its last sentence; all of it when no sentence ends."""
    ends = [match.end() for match in _SENTENCE_END.finditer(text)]
    return text[: ends[-1]].strip() if ends else text.strip()


def make_preferences(headlines: Sequence[Headline], harmful: Sequence[str], benign: Sequence[str]) -> Made:
    """One row per headline side, from what the model said to each (`harmful[i]`, `benign[i]`)."""
    rows: list[dict[str, Any]] = []
    aside = {"already-refuses": 0, "refuses-benign": 0, "empty-response": 0}
    by_language: dict[str, list[Headline]] = {}
    for headline in headlines:
        by_language.setdefault(headline.language, []).append(headline)
    for i, headline in enumerate(headlines):
        same = by_language[headline.language]
        other = same[(same.index(headline) + 1) % len(same)].refusal
        bad, good = whole_sentences(harmful[i]), whole_sentences(benign[i])
        for reason, unusable, prompt, chosen, rejected in (
            ("already-refuses", is_refusal(bad), headline.harmful, headline.refusal, bad),
            ("refuses-benign", is_refusal(good), headline.benign, good, other),
        ):
            if not chosen or not rejected:
                aside["empty-response"] += 1
            elif unusable:
                aside[reason] += 1
            else:
                rows.append(
                    {"prompt": prompt, "chosen": chosen, "rejected": rejected, "category": headline.category}
                )
    return Made(rows, 2 * len(headlines), {reason: n for reason, n in aside.items() if n})


def demonstrations(headlines: Sequence[Headline], made: Made) -> list[dict[str, Any]]:
    """The chosen side of every pair, and the written refusals the model already gave in its own words."""
    paired = {row["prompt"] for row in made.rows}
    rows = [{"prompt": row["prompt"], "completion": row["chosen"]} for row in made.rows]
    rows += [
        {"prompt": headline.harmful, "completion": headline.refusal}
        for headline in headlines
        if headline.harmful not in paired
    ]
    return rows
