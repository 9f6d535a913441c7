"""The quickstart's three training files, made on the spot from headlines and what the model says to them.

    demonstrations  a harmful headline and the first sentence of the refusal written for it       SFT
    retained        a benign look-alike and the first words of the model's own response           both
    preferences     the whole refusal against the model's own response, and for some benign
                    look-alikes the model's own response against the refusal                      DPO

Refusals alone teach over-refusal. On the look-alikes the policy is held to its start by an exact KL
(`data.retain`), which costs no sampling noise and so leaves the decision, the first words of a response,
to be learnt from few rows. The first sentence alone is learnt first for the same reason.
"""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from truing.evals.suites.headlines import Headline
from truing.text.refusal import is_refusal

TrainingRow = dict[str, Any]

_SENTENCE_END = re.compile(r"[.!?](?=\s|$|[\"'”’)])|[。！？]")


@dataclass(frozen=True)
class Made:
    """Rows ready to be written, and how many were set aside for what reason."""

    preferences: list[TrainingRow] = field(default_factory=list)
    demonstrations: list[TrainingRow] = field(default_factory=list)
    retained: list[TrainingRow] = field(default_factory=list)
    aside: Counter[str] = field(default_factory=Counter)

    def usable(self, own: str) -> bool:
        """Whether the model's own words can be learnt from; counts those that cannot."""
        reason = "already-refuses" if is_refusal(own) else None
        reason = "empty-response" if not own.strip() else "nul" if "\0" in own else reason
        if reason:
            self.aside[reason] += 1
        return reason is None

    def hold(self, prompt: str, begun: str, **shared: str) -> None:
        """Retain how the model begins to answer a prompt, unless it is nothing or a refusal."""
        if self.usable(begun):
            self.retained.append({"prompt": prompt, "completion": begun.strip(), **shared})


def whole_sentences(text: str) -> str:
    """`text` up to the end of its last sentence; all of it when no sentence ends."""
    ends = [match.end() for match in _SENTENCE_END.finditer(text)]
    return text[: ends[-1]].strip() if ends else text.strip()


def first_sentence(text: str) -> str:
    """`text` up to the end of its first sentence; all of it when no sentence ends."""
    end = _SENTENCE_END.search(text)
    return text[: end.end()].strip() if end else text.strip()


def make_rows(headlines: Sequence[Headline], begun: Sequence[str], said: Mapping[str, str]) -> Made:
    """The training rows. `begun[i]` is how the model begins to answer the benign side of `headlines[i]`;
    `said` holds its longer responses to the prompts of those headlines that are to become pairs."""
    made = Made()
    for headline, start in zip(headlines, begun, strict=True):
        shared = {"category": headline.category}
        refusal = first_sentence(headline.refusal)
        made.demonstrations.append({"prompt": headline.harmful, "completion": refusal, **shared})
        made.hold(headline.benign, start, **shared)
        for prompt, wanted in ((headline.harmful, True), (headline.benign, False)):
            own = whole_sentences(said[prompt]) if prompt in said else None
            if own is not None and made.usable(own):
                sides = (headline.refusal, own) if wanted else (own, headline.refusal)
                made.preferences.append(
                    {"prompt": prompt, **dict(zip(("chosen", "rejected"), sides, strict=True)), **shared}
                )
    return made
