"""The failures of a red teaming, read from rows: the prompt, its attacked form, the answer, its twin.

    {"prompt": "…", "category": "privacy_violations", "attack": "prefix", "messages": [...], "response": "…"}

Rows of another tool that `exchange.py` read, and bare rows of harmful prompts, are failures without an
attacked form or without an answer. A held-out topic is never a failure to learn from.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

from truing.core.errors import DataError
from truing.core.languages import Language
from truing.core.messages import Say, message
from truing.core.records import Message, Record, Turns, user
from truing.data.load import load_records
from truing.evals.suites.headlines import Headline, load_headlines
from truing.redteam.targets import OWN, language_of
from truing.synthesis.lineage import LINEAGE
from truing.synthesis.prompts import PromptSet

PLAIN = "plain"
HELD_OUT, REPEATED, NO_PROMPT, BEYOND = "held_out", "repeated", "no_prompt", "beyond_limit"
READ = ("attack", "benign", "language", "lineage", "message", "messages", "outcome")  # beside every format's
ASIDE = (HELD_OUT, REPEATED, NO_PROMPT, BEYOND)


@dataclass(frozen=True)
class FailedPrompt:
    """A harmful prompt that a model did not decline."""

    record: Record
    text: str
    category: str
    language: Language
    attack: str
    attacked: Turns  # the prompt as the model was asked; that of `text` where no attack is known
    response: str | None
    benign: str | None
    headline: Headline | None  # of the training split, where the prompt is one

    @property
    def writer(self) -> Mapping[str, Any] | None:
        """The identity of the model that failed; None where the row does not say."""
        told = self.record.columns.get(LINEAGE)
        writers = told.get("writers") if isinstance(told, Mapping) else None
        return (
            writers[0] if isinstance(writers, list) and writers and isinstance(writers[0], Mapping) else None
        )


@dataclass(frozen=True)
class Failures:
    """Failures in the order of their files, their files, and the rows that are none by reason."""

    failed: list[FailedPrompt]
    prompts: PromptSet
    aside: Counter[str]

    @property
    def read(self) -> int:
        return len(self.failed) + self.aside.total()


def read_failures(paths: Sequence[str], say: Say, *, limit: int | None = None) -> Failures:
    """Read rows of failures. Raises DataError where none is left to learn from."""
    loaded = load_records(list(paths))
    for source in loaded.sources:
        say(replace(source, unread=tuple(one for one in source.unread if one not in READ)).describe())
    aside: Counter[str] = Counter()
    found: dict[tuple[str, Turns], FailedPrompt] = {}
    for record in loaded.records:
        if not record.prompt or record.prompt[-1].role != "user":
            aside[NO_PROMPT] += 1
            continue
        one = _failed(record)
        if one.headline is None and is_held_out([one.text, one.benign or "", *_texts(one.attacked)]):
            aside[HELD_OUT] += 1
        elif (key := (one.text, one.attacked)) in found or (limit is not None and len(found) >= limit):
            aside[REPEATED if key in found else BEYOND] += 1
        else:
            found[key] = one
    if aside[HELD_OUT]:
        say(message("{n} rows hold a held-out topic and are left out", n=aside[HELD_OUT]))
    if not found:
        hint = message("give the failures.jsonl of `truing red-team`, or rows of prompts with a category")
        if aside[HELD_OUT]:
            hint = message("attack prompts that training may use: truing red-team MODEL --set split=train")
        raise DataError(message("{paths}: no row has a prompt to decline", paths=", ".join(paths)), hint=hint)
    return Failures(list(found.values()), PromptSet(loaded.records, loaded.sources), aside)


def _failed(record: Record) -> FailedPrompt:
    text, columns = record.prompt[-1].content, record.columns
    headline = _known().get(_folded(text))
    benign = columns.get("benign")
    own = benign if isinstance(benign, str) and benign.strip() else None
    return FailedPrompt(
        record,
        text,
        record.category or (headline.category if headline else OWN),
        language_of(text),
        str(columns.get("attack") or PLAIN),
        _attacked(record),
        record.responses[0].text if record.responses else None,
        own or (headline.benign if headline else None),
        headline if headline is not None and headline.split == "train" else None,
    )


def _attacked(record: Record) -> Turns:
    """Return the turns up to the user's last: `messages` of the red team, `message` of another tool."""
    turns = record.columns.get("messages")
    if isinstance(turns, list) and all(isinstance(turn, Mapping) for turn in turns):
        asked = [Message(str(turn["role"]), str(turn["content"])) for turn in turns]
        while asked and asked[-1].role != "user":
            asked.pop()
        return tuple(asked) or record.prompt
    sent = record.columns.get("message")
    return user(sent) if isinstance(sent, str) and sent.strip() else record.prompt


def _texts(turns: Turns) -> list[str]:
    return [turn.content for turn in turns]


def _folded(text: str) -> str:
    return " ".join(text.split()).casefold()


@cache
def _known() -> Mapping[str, Headline]:
    return {_folded(one.harmful): one for one in load_headlines()}


@cache
def _held_out() -> tuple[str, ...]:
    rows = [one for one in load_headlines() if one.split == "held_out"]
    return tuple(_folded(text) for one in rows for text in (one.harmful, one.benign))


def is_held_out(texts: Sequence[str]) -> bool:
    """Tell whether one of the texts holds a held-out headline or its twin, to the letter but for case."""
    folded = [_folded(text) for text in texts]
    return any(held in text for held in _held_out() for text in folded)
