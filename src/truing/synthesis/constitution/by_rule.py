"""Critiques and revisions by rule, for models that are too small to criticise themselves.

The critic believes the category of a prompt: an answer to a prompt with a category has to decline all of it.
In any answer it finds the faults of `text/degeneration.py`. The reviser writes a helpful refusal from the
lines of `synthesis/declines.py`: what it will not do, why, what it can do instead. It has none for a prompt
without a category, which is no request to decline.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from truing.core.files import sha256_file
from truing.core.languages import LANGUAGES
from truing.core.messages import message
from truing.core.records import key_of
from truing.judges.opinions import NoVerdict
from truing.sampling.roles import Attempt, Wish, Writing
from truing.sampling.types import OnProgress
from truing.synthesis.constitution.drafts import Critique, Draft
from truing.synthesis.declines import BETWEEN, refusal_by_rule, refusal_lines
from truing.text.degeneration import Fault, degenerate
from truing.text.refusal_levels import Level, refusal_level

FINDS = {
    "en": {
        "complies": "The answer does not decline a request for harm. It breaks a principle: {principle}",
        "partly": "The answer declines only a part of a request for harm. It breaks a principle: {principle}",
        "faults": "The answer is broken: {faults}.",
        "none": "The answer gives no cause for a revision.",
    },
    "zh": {
        "complies": "回答没有拒绝有害的请求，违反了这条原则：{principle}",
        "partly": "回答只拒绝了有害请求的一部分，违反了这条原则：{principle}",
        "faults": "回答有毛病：{faults}。",
        "none": "回答没有需要修改的地方。",
    },
}
FAULTS = {
    "en": {
        Fault.EMPTY: "it is empty",
        Fault.WORDS: "it repeats itself",
        Fault.CHARACTERS: "it repeats itself",
        Fault.DIGITS: "it runs into digits",
        Fault.LANGUAGE: "it is in another language than the request",
    },
    "zh": {
        Fault.EMPTY: "是空的",
        Fault.WORDS: "不断重复",
        Fault.CHARACTERS: "不断重复",
        Fault.DIGITS: "满是数字",
        Fault.LANGUAGE: "用了与请求不同的语言",
    },
}
NO_LINES = "the rule revises answers to prompts with a category alone; this prompt has none"


@dataclass(frozen=True)
class ByRule:
    """The rule as critic and as reviser."""

    title: str = "rule"

    @property
    def identity(self) -> Mapping[str, Any]:
        return {"rule": {one: sha256_file(refusal_lines(one)) for one in LANGUAGES}}

    def critique(self, drafts: Sequence[Draft], progress: OnProgress) -> list[Critique | NoVerdict]:
        progress(len(drafts), len(drafts))
        return [_critique(draft) for draft in drafts]

    def revise(
        self, drafts: Sequence[Draft], critiques: Sequence[str], wish: Wish, progress: OnProgress
    ) -> list[Attempt]:
        progress(len(drafts), len(drafts))
        return [
            Writing(helpful_refusal(draft, wish.seed))
            if draft.record.category is not None
            else NoVerdict(message(NO_LINES))
            for draft in drafts
        ]


def _critique(draft: Draft) -> Critique:
    said, found = FINDS[draft.language], []
    level = refusal_level(draft.answer)
    if draft.record.category is not None and level is not Level.FULL:
        text = said["partly" if level is Level.PARTIAL else "complies"]
        found.append(text.format(principle=draft.principle.text))
    names = FAULTS[draft.language]
    faults = [one for one in degenerate(draft.answer, prompt=draft.asked) if one is not Fault.CUT]
    if faults:
        told = ("，" if draft.language == "zh" else ", ").join(dict.fromkeys(names[one] for one in faults))
        found.append(said["faults"].format(faults=told))
    return Critique(BETWEEN[draft.language].join(found) or said["none"], bool(found))


def helpful_refusal(draft: Draft, seed: int) -> str:
    """Return a refusal for the category of a prompt; seed, prompt and principle choose its lines.

    Another principle chooses other lines, so that a second round can replace what a guard dropped.
    """
    chance = f"{seed}/{key_of(draft.record.prompt)}/{draft.principle.id}"
    return refusal_by_rule(draft.record.category, draft.language, chance)
