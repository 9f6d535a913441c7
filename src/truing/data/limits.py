"""Records to trees that fit the model's context; whatever is cut or set aside is counted with its place."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import StrEnum

from truing.core.errors import DataError
from truing.core.records import Record
from truing.data.chat import Renderer
from truing.data.trees import Branch, Tree


class Truncation(StrEnum):
    """What to do with a tree whose longest branch is too long."""

    DROP = "drop"  # set the whole tree aside
    PROMPT_LEFT = "prompt-left"  # forget the start of the prompt
    RESPONSE_RIGHT = "response-right"  # forget the end of responses, their stop token included


class Reason(StrEnum):
    """Why a tree is not what the record said, or is not there."""

    TOO_LONG = "too-long"  # set aside
    SAME_AFTER_CUT = "same-after-cut"  # set aside: what told the responses apart was cut off
    REFUSED = "refused"  # set aside: the template cannot write these turns
    PROMPT_CUT = "prompt-cut"  # kept, shorter
    RESPONSE_CUT = "response-cut"  # kept, shorter


ASIDE = (Reason.TOO_LONG, Reason.SAME_AFTER_CUT, Reason.REFUSED)  # the others shorten and keep


@dataclass(frozen=True, slots=True)
class Fitted:
    """A tree that fits, or None; the reason is None when nothing was changed."""

    tree: Tree | None
    reason: Reason | None = None


@dataclass(frozen=True, slots=True)
class Rendered:
    """What came of the records: `len(trees)` plus those set aside is the number that came in."""

    trees: list[Tree]
    records: list[Record]  # those of `trees`, in the same order
    counts: Counter[str]  # by Reason, and by chat.Note
    places: dict[str, list[str]]  # by Reason: where the records stand that it concerns
    messages: dict[str, str]  # by place: what the template said to a refused record


def fit(tree: Tree, max_tokens: int, how: Truncation | str, *, bos: int | None = None) -> Fitted:
    """The tree with at most `max_tokens` from root to leaf. A first prompt token `bos` outlives a cut."""
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
    records: Iterable[Record],
    renderer: Renderer,
    max_tokens: int,
    truncation: Truncation | str = Truncation.DROP,
) -> Rendered:
    """Every record as a tree that fits, in order. A record the template refuses is set aside and counted."""
    rendered = Rendered([], [], Counter(), {}, {})
    bos = renderer.encoder.tokenizer.bos_token_id
    for record in records:
        try:
            rendering = renderer.render(record)
        except DataError as error:
            rendered.messages[record.place] = str(error)
            _note(rendered, Reason.REFUSED, record)
            continue
        rendered.counts.update(rendering.counts)
        fitted = fit(rendering.tree, max_tokens, truncation, bos=bos)
        if fitted.reason:
            _note(rendered, fitted.reason, record)
        if fitted.tree:
            rendered.trees.append(fitted.tree)
            rendered.records.append(record)
    return rendered


def _note(rendered: Rendered, reason: Reason, record: Record) -> None:
    rendered.counts[reason] += 1
    rendered.places.setdefault(reason, []).append(record.place)
