"""Rows made from responses, and a word on each prompt that a chat template cannot write."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from truing.core.messages import Say, message
from truing.core.records import Record
from truing.data.limits import told_refusal
from truing.data.refusals import RefusedRowError
from truing.data.shards import ShardFile
from truing.sampling.speaker import Speaker
from truing.sampling.types import Sample, Sampling

AT_ONCE = 256  # responses that a shard draws between two writes


def writable(speaker: Speaker, asked: Sequence[Record], say: Say, *, required: bool = True) -> list[Record]:
    """Return the prompts that the chat template can write; `say` each of the others.

    Raises RefusedRowError where no prompt is left and one is `required`.
    """
    kept: list[Record] = []
    refused: list[RefusedRowError] = []
    for record in asked:
        try:
            speaker.prompt_ids(record)
            kept.append(record)
        except RefusedRowError as error:
            refused.append(error)
    if required and not kept:
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


def answer_shard(
    file: ShardFile,
    speaker: Speaker,
    asked: Mapping[int, Record],
    sampling: Sampling,
    *,
    group_size: int,
    say: Say,
    on_progress: Callable[[int], None] = lambda done: None,
) -> None:
    """Draw `group_size` responses to the prompts of a shard, by item, and write their rows as they come.

    The draws of a prompt are keyed by its item, so that they are those of one process over all prompts.
    `on_progress` gets the number of prompts that are done.
    """
    for items in file.left(max(1, AT_ONCE // group_size)):
        kept = writable(speaker, [asked[item] for item in items], say, required=False)
        written = set(map(id, kept))
        places = [item for item in items if id(asked[item]) in written]
        said = speaker.answer(kept, sampling, group_size=group_size, keys=places) if kept else []
        rows = zip((places[one.prompt] for one in said), reply_rows(kept, said), strict=True)
        file.add(items, rows)
        on_progress(file.done)
