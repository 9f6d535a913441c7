"""Rows made from responses, and a word on each prompt that a chat template cannot write."""

from collections.abc import Sequence
from typing import Any

from truing.core.messages import Say, message
from truing.core.records import Record
from truing.data.limits import told_refusal
from truing.data.refusals import RefusedRowError
from truing.sampling.speaker import Speaker
from truing.sampling.types import Sample


def writable(speaker: Speaker, asked: Sequence[Record], say: Say) -> list[Record]:
    """Return the prompts that the chat template can write; `say` each of the others.

    Raises RefusedRowError where no prompt is left.
    """
    kept: list[Record] = []
    refused: list[RefusedRowError] = []
    for record in asked:
        try:
            speaker.prompt_ids(record)
            kept.append(record)
        except RefusedRowError as error:
            refused.append(error)
    if not kept:
        raise refused[0]
    for error in refused:
        say(message("not asked: {row}", row=told_refusal(error)))
    return kept


def reply_rows(asked: Sequence[Record], said: Sequence[Sample]) -> list[dict[str, Any]]:
    """Return one row a response: `prompt` (turns), `response` (text), `finish`, and `k` from 0."""
    return [
        {
            "prompt": [turn.as_dict() for turn in asked[one.prompt].prompt],
            "response": one.text,
            "finish": one.finish.value,
            "k": one.k,
        }
        for one in said
    ]
