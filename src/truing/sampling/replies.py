"""Rows made from responses, and a word on each prompt that a chat template cannot write."""

from collections.abc import Mapping, Sequence
from typing import Any

from truing.core.messages import Say, message
from truing.core.records import Record
from truing.data.limits import told_refusal
from truing.data.refusals import RefusedRowError
from truing.sampling.speaker import Responder
from truing.sampling.types import Sample


def writable(
    responder: Responder, asked: Sequence[Record], say: Say, *, required: bool = True
) -> list[Record]:
    """Return the prompts that the chat template can write; `say` each of the others.

    Raises RefusedRowError where no prompt is left and one is `required`.
    """
    kept: list[Record] = []
    refused: list[RefusedRowError] = []
    for record in asked:
        try:
            responder.prompt_ids(record)
            kept.append(record)
        except RefusedRowError as error:
            refused.append(error)
    if required and not kept:
        raise refused[0]
    for error in refused:
        say(message("not asked: {row}", row=told_refusal(error)))
    return kept


def reply_rows(
    asked: Sequence[Record] | Mapping[int, Record], said: Sequence[Sample]
) -> list[dict[str, Any]]:
    """Return one row a response: `prompt` (turns), `response` (text), `finish`, and `k` from 0.

    `asked` has the record of each sample's `prompt`.
    """
    return [
        {
            "prompt": [turn.as_dict() for turn in asked[one.prompt].prompt],
            "response": one.text,
            "finish": one.finish.value,
            "k": one.k,
        }
        for one in said
    ]
