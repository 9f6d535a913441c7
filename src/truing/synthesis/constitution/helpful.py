"""Helpful rows beside the revisions, so that a policy that learns to decline keeps answering.

They come from files of the user's, or are the policy's own answers to the ordinary prompts that ship with
truing. An answer that declines, is broken or empty is passed over, and the next prompt takes its place.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import truing.evals.suites
from truing.core.messages import Say
from truing.core.records import Record
from truing.data.load import load_records
from truing.judges.opinions import NoVerdict
from truing.sampling.roles import ModelRole, Wish
from truing.sampling.types import OnProgress
from truing.synthesis.constitution.by_model import said
from truing.synthesis.prompts import PromptSet, read_prompts
from truing.text.degeneration import Fault, degenerate
from truing.text.refusal_levels import Level, refusal_level

ORDINARY = Path(truing.evals.suites.__file__).parent / "ordinary.jsonl"


@dataclass(frozen=True)
class Helpful:
    """Prompts that deserve an answer; a record with a response needs none of the policy's."""

    prompts: PromptSet

    def drawn(
        self, policy: ModelRole, count: int, wish: Wish, progress: OnProgress
    ) -> list[tuple[Record, str]]:
        """Return so many prompts with an answer, fewer where no more are usable; the seed decides which."""
        order = random.Random(wish.seed).sample(self.prompts.records, len(self.prompts.records))
        found: list[tuple[Record, str]] = []
        while order and len(found) < count:
            part, order = order[: count - len(found)], order[count - len(found) :]
            begun = len(found)
            found += _answered(policy, part, wish, lambda done, _, begun=begun: progress(begun + done, count))
        return found


def read_helpful(paths: Sequence[str], languages: Sequence[str], say: Say) -> Helpful:
    """Read helpful rows from files, or truing's ordinary prompts in the languages of the other prompts."""
    if not paths:
        shipped = read_prompts([str(ORDINARY)], lambda line: None)
        records = [one for one in shipped.records if one.columns["language"] in languages]
        return Helpful(PromptSet(records, shipped.sources))
    loaded = load_records(list(paths))
    for source in loaded.sources:
        say(source.describe())
    usable = [
        one for one in loaded.records if one.prompt and (one.responses or one.prompt[-1].role == "user")
    ]
    return Helpful(PromptSet(usable, loaded.sources))


def _answered(
    policy: ModelRole, records: Sequence[Record], wish: Wish, progress: OnProgress
) -> list[tuple[Record, str]]:
    bare = [one for one in records if not one.responses]
    written = dict(zip(bare, policy.write(bare, wish, progress), strict=True)) if bare else {}
    found = []
    for record in records:
        if record.responses:
            found.append((record, record.chosen.text))
            continue
        text = said(written[record][0])
        if not isinstance(text, NoVerdict) and _helps(record, text.text):
            found.append((record, text.text))
    return found


def _helps(record: Record, text: str) -> bool:
    faults = [one for one in degenerate(text, prompt=record.prompt[-1].content) if one is not Fault.CUT]
    return not faults and refusal_level(text) is Level.NONE
