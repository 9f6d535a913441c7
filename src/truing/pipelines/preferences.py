"""The quickstart's three training files, made of headlines and the model's own responses to them.

    demonstrations  a harmful headline and the first sentence of the refusal written for it       SFT
    retained        a benign look-alike and the first words of the model's own response           both
    preferences     the whole refusal against the model's own response, and for some benign
                    look-alikes the model's own response against the refusal                      DPO

Refusals alone teach over-refusal. On the look-alikes an exact KL (`data.retain`) holds the policy to
its start. An exact KL has no sampling noise, so that few rows suffice to learn the decision, which is the
first words of a response. SFT learns the first sentence alone for the same reason.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from truing.evals.suites.headlines import Headline
from truing.text.refusal import no_example
from truing.text.units import first_sentence, whole_sentences

TrainingRow = dict[str, Any]


@dataclass(frozen=True)
class Made:
    """Rows ready to write, and the count of rows set aside by reason."""

    preferences: list[TrainingRow] = field(default_factory=list)
    demonstrations: list[TrainingRow] = field(default_factory=list)
    retained: list[TrainingRow] = field(default_factory=list)
    aside: Counter[str] = field(default_factory=Counter)

    def usable(self, own: str) -> bool:
        """Tell whether the model's own response can be trained on; count a response that cannot."""
        reason = no_example(own)
        if reason:
            self.aside[reason] += 1
        return reason is None

    def hold(self, prompt: str, begun: str, **shared: str) -> None:
        """Retain the beginning of the model's response to a prompt, unless it is empty or a refusal."""
        if self.usable(begun):
            self.retained.append({"prompt": prompt, "completion": begun.strip(), **shared})


def make_rows(headlines: Sequence[Headline], begun: Sequence[str], said: Mapping[str, str]) -> Made:
    """Make the training rows.

    `begun[i]` is the beginning of the model's response to the benign side of `headlines[i]`. `said` holds
    the model's longer responses, by prompt, of the headlines that become pairs.
    """
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
