"""The rows of the verb: transcripts, revisions, helpful answers, preferences.

transcripts.jsonl   every prompt: prompt, initial, its rounds (critique, revision, principle), models
rows.jsonl          every revised prompt and its last revision
sft.jsonl           the same, mixed with helpful rows
preferences.jsonl   a revision against the first answer, or two samples that a judge compared
"""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from truing.core.records import Record, reply
from truing.data.convert import convert
from truing.synthesis.constitution.revising import Case, CaseEnd
from truing.synthesis.lineage import LINEAGE, lineage
from truing.synthesis.prompts import PromptSet, turns

VERB = "constitution"


@dataclass(frozen=True)
class Origins:
    """The facts that the lineage of a row tells. `roles` are identities by the name of the role."""

    prompts: PromptSet
    roles: Mapping[str, Mapping[str, Any]]
    seed: int
    constitution: Mapping[str, str]  # SHA-256 by name

    def of(self, record: Record, **facts: Any) -> dict[str, Any]:
        known = {**self.roles, "constitution": self.constitution, "seed": self.seed, **facts}
        return {LINEAGE: lineage(VERB, self.prompts, record, **known)}


def transcript(case: Case, origins: Origins) -> dict[str, Any]:
    """Return everything that was said about a prompt, in the order in which it was said."""
    rounds = [
        {
            "critique": one.critique,
            "revision": one.revision,
            "principle": one.principle.id,
            "finds": one.finds,
            "dropped": one.dropped,
            "error": one.error or None,
        }
        for one in case.rounds
    ]
    return {
        "prompt": turns(case.record),
        "initial": case.initial,
        "rounds": rounds,
        "models": {name: dict(identity) for name, identity in origins.roles.items()},
        "outcome": case.outcome,
        "reason": case.reason or None,
        "category": case.record.category,
        **origins.of(case.record),
    }


@dataclass(frozen=True)
class NewRow:
    """A record with its new responses, and what its row holds beside them."""

    record: Record
    beside: dict[str, Any]


def revision_rows(cases: Sequence[Case], origins: Origins) -> list[NewRow]:
    """Return a row of each revised prompt: the prompt and its last revision."""
    revised = [case for case in cases if case.outcome is CaseEnd.REVISED]
    return [
        NewRow(with_responses(case.record, case.answer), origins.of(case.record, principle=case.drawn))
        for case in revised
    ]


def helpful_row(record: Record, text: str, origins: Origins) -> NewRow:
    """Return a row to mix in; `origins` are those of the helpful prompts."""
    return NewRow(with_responses(record, text), origins.of(record, kind="helpful"))


def preference(
    record: Record, chosen: str, rejected: str, beside: dict[str, Any], probability: float | None
) -> NewRow:
    """Return a pair, with the probability that its chosen answer is the better one where a judge gave it."""
    pair = with_responses(record, chosen, rejected)
    return NewRow(replace(pair, probability=probability), beside)


def with_responses(record: Record, *texts: str) -> Record:
    """Return a record with other responses, best first, and no opinion of the earlier ones."""
    found = tuple(reply(text, rank=place if len(texts) > 1 else None) for place, text in enumerate(texts))
    return replace(record, responses=found, margin=None, probability=None)


def written(rows: Sequence[NewRow], form: str) -> list[dict[str, Any]]:
    """Return rows in a format of `data/convert.py`."""
    found = convert([one.record for one in rows], form)
    return [{**row, **one.beside} for row, one in zip(found, rows, strict=True)]


def mixed(revisions: Sequence[NewRow], helpful: Sequence[NewRow], seed: int) -> list[NewRow]:
    """Return both kinds of rows in an order that the seed decides."""
    rows = [*revisions, *helpful]
    random.Random(seed).shuffle(rows)
    return rows
