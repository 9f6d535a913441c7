"""Pass rates of the items of rubrics over a run: `rubrics.jsonl`, and the items that tell no responses apart.

{"step": 3, "when": "training", "reward": "rubric", "item": "names the year", "met": 5, "of": 8}
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from truing.core import files
from truing.core.messages import Say, message
from truing.judges.rubrics import ItemRate
from truing.rewards.mix import MixScores

SHOWN = 5  # flagged items that are told one by one


def rates_of(scores: MixScores, when: str) -> Iterator[dict[str, Any]]:
    """Yield a row for each item of a rubric that responses were judged by."""
    for title in scores.parts:
        for rate in scores.item_rates(title):
            yield {"when": when, "reward": title, "item": rate.text, "met": rate.met, "of": rate.of}


def rates_over(path: Path) -> list[ItemRate]:
    """Add up the rows of `rubrics.jsonl` by item; none where there is no such file."""
    counts: dict[tuple[str, str], list[int]] = {}
    for row in files.read_jsonl(path) if path.exists() else []:
        count = counts.setdefault((row["reward"], row["item"]), [0, 0])
        count[0] += row["met"]
        count[1] += row["of"]
    return [ItemRate(item, met, of) for (_, item), (met, of) in counts.items()]


def tell_flagged(path: Path, say: Say) -> None:
    """Say which items every response of the run met, or none did: they tell no responses apart."""
    rates = rates_over(path)
    flagged = [rate for rate in rates if rate.flag]
    for rate in flagged[:SHOWN]:
        always = "the item {item!r} was met by all of {of} responses: it tells none apart"
        never = "the item {item!r} was met by none of {of} responses: it tells none apart"
        said = always if rate.flag == "always" else never
        say(message(said, item=rate.text, of=rate.of))
    if len(flagged) > SHOWN:
        rest = "{n} more of {all} items tell no responses apart; all rates are in {path}"
        say(message(rest, n=len(flagged) - SHOWN, all=len(rates), path=path))
