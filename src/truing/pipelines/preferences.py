"""The quickstart's three training files, made on the spot from headlines and what the model says to them.

    demonstrations  a harmful headline and the first sentence of the refusal written for it       SFT
    preferences     the whole refusal against the model's own response                            DPO
    retained        a benign look-alike and the first words of the model's own response           both

Refusals alone teach over-refusal. On the look-alikes the policy is held to its start by an exact KL
(`data.retain`), which costs no sampling noise and so leaves the decision, the first words of a response,
to be learnt from few rows. The first sentence alone is learnt first for the same reason.
"""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from truing.evals.refusal import is_refusal
from truing.pipelines.headlines import Headline

Row = dict[str, Any]

_SENTENCE_END = re.compile(r"[.!?](?=\s|$|[\"'”’)])|[。！？]")


@dataclass(frozen=True)
class Made:
    """Rows ready to be written, and how many were set aside for what reason."""

    preferences: list[Row] = field(default_factory=list)
    demonstrations: list[Row] = field(default_factory=list)
    retained: list[Row] = field(default_factory=list)
    aside: Counter[str] = field(default_factory=Counter)


def whole_sentences(text: str) -> str:
    """`text` up to the end of its last sentence; all of it when no sentence ends."""
    ends = [match.end() for match in _SENTENCE_END.finditer(text)]
    return text[: ends[-1]].strip() if ends else text.strip()


def first_sentence(text: str) -> str:
    """`text` up to the end of its first sentence; all of it when no sentence ends."""
    end = _SENTENCE_END.search(text)
    return text[: end.end()].strip() if end else text.strip()


def make_rows(headlines: Sequence[Headline], harmful: Sequence[str], benign: Sequence[str]) -> Made:
    """The training rows from what the model said to each side (`harmful[i]`, `benign[i]`)."""
    made = Made()
    for headline, bad, good in zip(headlines, harmful, benign, strict=True):
        shared = {"category": headline.category}
        refusal = first_sentence(headline.refusal)
        made.demonstrations.append({"prompt": headline.harmful, "completion": refusal, **shared})
        bad, good = whole_sentences(bad), good.strip()
        if not bad or not good:
            made.aside["empty-response"] += (not bad) + (not good)
        if is_refusal(bad):
            made.aside["already-refuses"] += 1
        elif bad:
            pair = {"prompt": headline.harmful, "chosen": headline.refusal, "rejected": bad}
            made.preferences.append(pair | shared)
        if is_refusal(good):
            made.aside["refuses-benign"] += 1
        elif good:
            made.retained.append({"prompt": headline.benign, "completion": good, **shared})
    return made
