"""Trees that fit the model's context, made from records; each cut or set-aside record is counted."""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum

from truing.core.doing import Show, doing
from truing.core.errors import DataError
from truing.core.messages import joined, message
from truing.core.records import Record
from truing.data.chat import Note, Renderer, Rendering
from truing.data.load import MOST_BAD
from truing.data.refusals import Refusal, RefusedRowError, hint_of
from truing.data.trees import Branch, Tree


class Truncation(StrEnum):
    """The treatment of a tree whose longest branch is too long."""

    DROP = "drop"  # set the whole tree aside
    PROMPT_LEFT = "prompt-left"  # forget the start of the prompt
    RESPONSE_RIGHT = "response-right"  # forget the end of responses, their stop token included


class Reason(StrEnum):
    """The reason for which a tree differs from its record, or is missing."""

    TOO_LONG = "too-long"  # set aside
    SAME_AFTER_CUT = "same-after-cut"  # set aside: the difference of the responses was cut off
    PROMPT_CUT = "prompt-cut"  # kept, shorter
    RESPONSE_CUT = "response-cut"  # kept, shorter


LOST = (Reason.TOO_LONG, Reason.SAME_AFTER_CUT)  # set aside for their length
CUT = (Reason.PROMPT_CUT, Reason.RESPONSE_CUT)


@dataclass(frozen=True, slots=True)
class Fitted:
    """A tree that fits, or None, and the reason; the reason is None for an unchanged tree."""

    tree: Tree | None
    reason: Reason | None = None


@dataclass(frozen=True, slots=True)
class Rendered:
    """Trees of some records: kept plus set aside is the number of records given, plus those `made`."""

    trees: Sequence[Tree] = ()
    records: Sequence[Record] = ()  # the records of `trees`, in the same order
    lengths: Sequence[int] = ()  # of all that could be written, before a cut
    counts: Counter[str] = field(default_factory=Counter)  # by Reason, and by chat.Note
    refused: list[RefusedRowError] = field(default_factory=list)  # set aside for their turns
    made: list[int] = field(default_factory=list)  # per record trained turn by turn: how many more it became
    origins: list[int] = field(default_factory=list)  # of each tree: the index of its record as given

    @property
    def aside(self) -> Counter[str]:
        """Count the records that were set aside, by code."""
        lost = Counter({reason.value: self.counts[reason] for reason in LOST})
        return +(lost + Counter(one.reason for one in self.refused))


def fit(tree: Tree, max_tokens: int, how: Truncation | str, *, bos: int | None = None) -> Fitted:
    """Cut a tree to at most `max_tokens` from root to leaf. A first prompt token `bos` outlives a cut."""
    if tree.longest <= max_tokens:
        return Fitted(tree)
    match Truncation(how):
        case Truncation.DROP:
            return Fitted(None, Reason.TOO_LONG)
        case Truncation.PROMPT_LEFT:
            return _cut_prompt(tree, max_tokens, bos)
        case Truncation.RESPONSE_RIGHT:
            return _cut_responses(tree, max_tokens)


def _cut_prompt(tree: Tree, max_tokens: int, bos: int | None) -> Fitted:
    room = max_tokens - (tree.longest - len(tree.prompt))
    if room < 1:
        return Fitted(None, Reason.TOO_LONG)
    kept = [bos] if bos is not None and tree.prompt[0] == bos else []
    rest = list(tree.prompt[len(tree.prompt) - (room - len(kept)) :])
    return Fitted(replace(tree, prompt=kept + rest), Reason.PROMPT_CUT)


def _cut_responses(tree: Tree, max_tokens: int) -> Fitted:
    room = max_tokens - len(tree.prompt)
    if room < 1 or not all(any(branch.scored[:room]) for branch in tree.branches):
        return Fitted(None, Reason.TOO_LONG)
    branches = tuple(Branch(branch.tokens[:room], branch.scored[:room]) for branch in tree.branches)
    if len({tuple(branch.tokens) for branch in branches}) < len({tuple(b.tokens) for b in tree.branches}):
        return Fitted(None, Reason.SAME_AFTER_CUT)
    return Fitted(replace(tree, branches=branches), Reason.RESPONSE_CUT)


def render_all(
    records: Sequence[Record],
    renderer: Renderer,
    max_tokens: int,
    truncation: Truncation | str = Truncation.DROP,
    show: Show = doing,
) -> Rendered:
    """Render all records as trees that fit, in order. Records that the template refuses are set aside.

    `show` tells people how far it is.
    """
    trees: list[Tree] = []
    kept: list[Record] = []
    lengths: list[int] = []
    rendered = Rendered(trees, kept, lengths)
    bos = renderer.encoder.tokenizer.bos_token_id
    with show(message("tokenising rows"), len(records)) as tick:
        each = zip(records, renderer.render_each(records), strict=True)
        for number, (record, found) in enumerate(each):
            tick(number + 1)
            try:
                written = _parts(record, found, renderer)
            except RefusedRowError as error:
                rendered.refused.append(error)
                continue
            if len(written) > 1:
                rendered.counts[Note.BY_TURN] += 1
                rendered.made.append(len(written) - 1)
            for part, rendering in written:
                if rendering.counts:
                    rendered.counts.update(rendering.counts)
                lengths.append(rendering.tree.longest)
                fitted = fit(rendering.tree, max_tokens, truncation, bos=bos)
                if fitted.reason:
                    rendered.counts[fitted.reason] += 1
                if fitted.tree:
                    trees.append(fitted.tree)
                    kept.append(part)
                    rendered.origins.append(number)
    return rendered


def _parts(
    record: Record, found: Rendering | RefusedRowError, renderer: Renderer
) -> list[tuple[Record, Rendering]]:
    """Return a record as rendered; turn by turn where the template cuts thoughts of earlier turns.

    Raises the refusal of any other record.
    """
    if isinstance(found, Rendering):
        return [(record, found)]
    parts = by_turn(record)
    if found.reason != Refusal.CUTS or len(parts) < 2:
        raise found
    return [(part, renderer.render(part)) for part in parts]


def by_turn(record: Record) -> list[Record]:
    """Split a record of one response into one per learnt assistant turn; earlier turns become prompt."""
    if len(record.responses) != 1:
        return [record]
    turns = record.responses[0].turns
    learnt = [k for k, turn in enumerate(turns) if turn.role == "assistant" and turn.scored]
    return [
        replace(
            record,
            prompt=(*record.prompt, *turns[:k]),
            responses=(replace(record.responses[0], turns=(turns[k],)),),
        )
        for k in learnt
    ]


def require_written(where: str, rendered: Rendered, *, all_of_them: bool = False) -> None:
    """Raise DataError where the template cannot write more than one record in a hundred.

    With `all_of_them`, only where it can write none. The message names the places of the first refused
    records and quotes the template's words. Records that are too long do not count.
    """
    lost, came = len(rendered.refused), len(rendered.refused) + len(rendered.lengths)
    if lost <= MOST_BAD * came or (all_of_them and lost < came):
        return
    first = joined("\n  ", map(told_refusal, rendered.refused[:5]))
    said = "{where}: the chat template cannot write {lost} of {came} rows. The first:\n  {first}"
    hints = dict.fromkeys(hint for one in rendered.refused if (hint := hint_of(one.reason)))
    skip = () if all_of_them else (SKIP,)
    raise DataError(
        message(said, where=where, lost=lost, came=came, first=first), hint=joined("; ", [*hints, *skip])
    )


SKIP = "--bad-rows skip (data.bad_rows: skip) goes on without them"


def told_refusal(error: RefusedRowError) -> str:
    """Describe one row that was set aside: its place, its code and the words for it."""
    return message("{place}: {code}: {words}", place=error.place, code=error.reason, words=error.words)


def require_most(where: str, rendered: Rendered, max_tokens: int, *, beside: int = 0) -> None:
    """Raise DataError where more than one record in a hundred was lost to its length.

    `beside` tokens of `max_tokens` were kept free for responses. The hint says which `data.max_tokens` would
    lose at most one in a hundred.
    """
    lost = {reason: rendered.counts[reason] for reason in LOST if rendered.counts[reason]}
    came = len(rendered.lengths)
    if sum(lost.values()) <= MOST_BAD * came:
        return
    enough = sorted(rendered.lengths)[math.ceil((1 - MOST_BAD) * came) - 1] + beside
    said = message(
        "{where}: {lost} of {came} rows are lost with data.max_tokens {most}, more than 1 % ({told}); "
        "the longest has {longest} tokens",
        where=where,
        lost=sum(lost.values()),
        came=came,
        most=max_tokens,
        told=joined(", ", [f"{count} {reason}" for reason, count in lost.items()]),
        longest=max(rendered.lengths) + beside,
    )
    remedies = (
        "data.max_tokens: {enough} keeps 99 %; data.truncation: prompt-left or response-right cuts rows "
        "instead; --bad-rows skip (data.bad_rows: skip) goes on without them"
    )
    raise DataError(said, hint=message(remedies, enough=enough))
