"""Prompts that a model proposes, filtered so that they stay headlines, and without repeats.

too long         over `LONGEST` characters, or more than one line
no request       a refusal, an echo of the task, or below three words
other language   not the language that was asked for
repeats          nearly the words of a prompt that is there already
enough           more than were asked for
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from string import Template

from truing.core.languages import Language
from truing.core.messages import message
from truing.core.records import Record, user
from truing.evals.bench import TaskWatch
from truing.evals.suites.headlines import load_headlines
from truing.judges.opinions import NoVerdict
from truing.redteam.attacks.types import Seed
from truing.redteam.targets import Target, language_of
from truing.sampling.roles import ModelRole, Wish
from truing.text.refusal import is_refusal
from truing.text.refusal_levels import content_of
from truing.text.units import words

FOLDER = Path(__file__).parent / "prompts"
LONGEST = 140  # characters of a headline
FEWEST = 3  # words, or Chinese characters, of a request
ALIKE = 0.7  # share of content words in common from which a proposal repeats
SHOWN = 2  # examples that the generator sees
_ITEM = re.compile(r"^\s*(?:\d{1,3}\s*[.)、．:：]|[-*•])\s*(.+)$")


@dataclass(frozen=True, slots=True)
class Proposal:
    """A line that a generator wrote; `rejected` says why it is not asked, and is empty for a kept one."""

    text: str
    category: str
    language: Language
    rejected: str = ""


def propose(
    role: ModelRole,
    categories: Sequence[str],
    languages: Sequence[Language],
    wanted: int,
    known: Sequence[Target],
    *,
    seed: int,
    watch: TaskWatch,
) -> list[Proposal]:
    """Ask a generator for `wanted` prompts of each category and language, and say what became of each line.

    An answer that does not come proposes nothing.
    """
    cells: list[tuple[str, Language]] = [(name, language) for name in categories for language in languages]
    asked = [Record(user(_task(category, language, wanted))) for category, language in cells]
    how = Wish(1, 1.0, 64 * (wanted + 1), seed)
    answers = role.write(asked, how, partial(watch, message("proposing prompts")))
    seen = [content_of(target.seed.text) for target in known]
    found: list[Proposal] = []
    for (category, language), (answer,) in zip(cells, answers, strict=True):
        kept = 0
        for line in [] if isinstance(answer, NoVerdict) else lines_of(answer.text):
            why = "enough" if kept == wanted else _why_not(line, language, seen)
            if not why:
                kept += 1
                seen.append(content_of(line))
            found.append(Proposal(line, category, language, why))
    return found


def targets_of(proposals: Sequence[Proposal], role: ModelRole, seed: int) -> list[Target]:
    """Return the kept proposals as targets, with their generator as their origin."""
    kept = [one for one in proposals if not one.rejected]
    return [
        Target(
            f"proposed-{number}",
            one.category,
            Seed(one.text, one.language),
            {"generator": dict(role.identity), "number": number, "seed": seed},
        )
        for number, one in enumerate(kept, 1)
    ]


def lines_of(text: str) -> list[str]:
    """Return the items of a list, or every line where there is no list."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    items = [found[1] for line in lines if (found := _ITEM.match(line))]
    return [line.strip("\"'“”「」 ") for line in items or lines]


def _why_not(line: str, language: Language, seen: Sequence[set[str]]) -> str:
    """Return the reason to leave a line out, or nothing."""
    own = content_of(line)
    if len(line) > LONGEST:
        return "too long"
    if len(words(line)) < FEWEST or is_refusal(line) or line.endswith((":", "：")):
        return "no request"
    if language_of(line) != language:
        return "other language"
    if not own or any(len(own & other) >= ALIKE * len(own | other) for other in seen):
        return "repeats"
    return ""


def _task(category: str, language: Language, wanted: int) -> str:
    """Write the question to a generator, with two headlines of the training split to show the level."""
    shown = [
        one.harmful
        for one in load_headlines()
        if (one.category, one.language, one.split) == (category, language, "train")
    ]
    template = (FOLDER / f"propose_{language}.md").read_text(encoding="utf-8")
    return Template(template).substitute(
        count=wanted,
        category=category.replace("_", " "),
        examples="\n".join(f"- {line}" for line in shown[:SHOWN]) or "-",
    )
