"""Helpful refusals: what the model will not do, why, and what it can do instead, in English and Chinese.

written by hand    the refusal of a training headline, for its own topic
by template        lines of `synthesis/declines.py`, by the prompt's category
by the writer      a model's text, where it passes `fault_of`
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from string import Template

from truing.core.languages import Language
from truing.core.messages import message
from truing.core.records import Record, user
from truing.judges.fence import fenced, mark_of
from truing.judges.opinions import NoVerdict
from truing.sampling.roles import ModelRole, Wish
from truing.sampling.types import OnProgress
from truing.synthesis.declines import refusal_by_rule
from truing.text.degeneration import degenerate
from truing.text.refusal import I_WILL_NOT
from truing.text.refusal_levels import OFFERS, REFERS, Level
from truing.text.refusal_reading import read_by_rules, read_refusal
from truing.text.units import APOSTROPHES, Script, scripts, words

HERE = Path(__file__).parent
MOST = 100  # words, or Chinese characters, of a refusal that a model wrote
_WILL_NOT = re.compile(I_WILL_NOT, re.IGNORECASE)
BY_HAND, BY_TEMPLATE, BY_WRITER = "by hand", "by template", "by the writer"


@dataclass(frozen=True, slots=True)
class Decline:
    """A refusal, and how it was made: BY_HAND, BY_TEMPLATE or BY_WRITER."""

    text: str
    made: str


def by_template(prompt: str, category: str, language: Language, seed: int) -> Decline:
    """Return a refusal for a category; the prompt and the seed choose its lines."""
    return Decline(refusal_by_rule(category, language, f"{seed}/{prompt}"), BY_TEMPLATE)


def fault_of(text: str, prompt: str, language: Language) -> str | None:
    """Say why a model's text is no helpful refusal of a prompt; None where it is one."""
    if "\0" in text or degenerate(text):
        return message("empty or broken")
    # Phrases may miss a refusal in other words, and features weigh against one that offers much instead.
    if Level.FULL not in (read_by_rules(text, prompt).level, read_refusal(text, prompt).level):
        return message("does not decline")
    counts = scripts(text)
    if (counts[Script.HAN] > counts[Script.LATIN]) != (language == "zh"):
        return message("in another language")
    if len(words(text)) > MOST:
        return message("too long")
    beside = _WILL_NOT.sub("", text.translate(APOSTROPHES))  # "I can't help" offers no help
    if not (OFFERS.search(beside) or REFERS.search(beside)):
        return message("offers nothing instead")
    return None


def by_writer(
    role: ModelRole, asked: Sequence[tuple[str, Language]], seed: int, progress: OnProgress
) -> list[Decline | str]:
    """Have a model write a refusal of each prompt in a language; a text where it is none: why."""
    wish = Wish(1, 0.7, 3 * MOST, seed)
    questions = [Record(user(question_of(prompt, language))) for prompt, language in asked]
    found: list[Decline | str] = []
    for (prompt, language), (said,) in zip(asked, role.write(questions, wish, progress), strict=True):
        if isinstance(said, NoVerdict):
            found.append(message("no answer"))
            continue
        text = said.text.strip()
        why = message("too long") if said.cut else fault_of(text, prompt, language)
        found.append(Decline(text, BY_WRITER) if why is None else why)
    return found


def question_of(prompt: str, language: Language) -> str:
    """Return the question to a writer of refusals."""
    mark = mark_of([prompt])
    text = (HERE / "prompts" / f"refusal_{language}.md").read_text(encoding="utf-8")
    return Template(text).substitute(request=fenced(mark, "request", prompt))
