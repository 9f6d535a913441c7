"""Sentences on the effects of rendering on rows and on gaps in loss masks, for `check` and `train`."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby

from jinja2 import TemplateError

from truing.core.messages import Sentence, message
from truing.core.records import Message as Turn
from truing.data.chat import Note, Renderer
from truing.data.layout import common_length
from truing.data.limits import Rendered, told_refusal
from truing.data.trees import Branch, Tree

SHOWN = 5  # rows that were set aside, told one by one
NO_END = "no end of turn"
WORDS = {
    Note.CONTROL: "{n} strings in the rows read like control tokens and stay text; "
    "data.trust_control_tokens: true reads them as tokens",
    Note.WRITTEN: "{n} rows hold turns of the chat template in their words, which are read as text; if they "
    "were written with the template, data.template: plain with data.trust_control_tokens: true reads them so",
    Note.BOUNDARY_MERGE: "{n} responses are encoded apart from their prompts, which the tokenizer would join",
    Note.PROMPT_DIFFERS: "{n} rows are trained on another prompt than the one that is sampled with: asked "
    "for an answer, the template opens it with {opening!r}, and these rows are written without",
    Note.BY_TURN: "{n} rows are trained turn by turn: the template cuts the thoughts of earlier turns",
    NO_END: "{n} assistant turns learn no end: a model trained on them may not stop",
    "double BOS": "{n} rows begin with BOS twice",
    "little scored": "{n} responses have less than two tokens that carry loss",
}
TRUSTED = "{n} strings in the rows are read as control tokens (data.trust_control_tokens)"


def mask_counts(trees: Sequence[Tree], renderer: Renderer, *, everything: bool) -> dict[str, int]:
    """Count turns without a scored end of turn, responses that score hardly anything, and doubled BOS.

    `everything` is False where only tokens in which responses differ are scored: then little is meant to be.
    """
    stops, bos = renderer.stop_ids, renderer.encoder.tokenizer.bos_token_id
    found: Counter[str] = Counter({"branches": 0, NO_END: 0, "double BOS": 0, "little scored": 0})
    for tree in trees:
        found["double BOS"] += bos is not None and list(tree.prompt[:2]) == [bos, bos]
        for branch in tree.branches:
            found["branches"] += 1
            if not everything:
                continue
            turns = _turns(branch)
            found[NO_END] += sum(stops.isdisjoint(turn) for turn in turns)
            found["little scored"] += sum(map(len, turns)) < 2
    return dict(found)


def _turns(branch: Branch) -> list[Sequence[int]]:
    """Return the stretches of tokens that carry loss."""
    if all(branch.scored):
        return [branch.tokens]
    runs = groupby(zip(branch.tokens, branch.scored, strict=True), key=lambda pair: bool(pair[1]))
    return [[token for token, _ in run] for scored, run in runs if scored]


def notes_on(rendered: Rendered, renderer: Renderer, masks: Mapping[str, int]) -> Iterator[Sentence]:
    """Yield a sentence for every count, and for the first rows that were set aside for their turns."""
    for name, words in WORDS.items():
        if n := rendered.counts[name] or masks.get(name, 0):
            trusted = name == Note.CONTROL and renderer.encoder.trusted
            opening = _opening(renderer) if name == Note.PROMPT_DIFFERS else ""
            yield message(TRUSTED if trusted else words, n=n, opening=opening)
    for error in rendered.refused[:SHOWN]:
        yield message("set aside: {row}", row=told_refusal(error))
    if len(rendered.refused) > SHOWN:
        yield message(
            "set aside: {n} more for their turns; a run lists all of them in rows.json",
            n=len(rendered.refused) - SHOWN,
        )


def _opening(renderer: Renderer) -> str:
    """Return the text that the template writes when asked for an answer, and not when given one."""
    asked = [Turn("user", "a")]
    try:
        texts = [
            renderer.template.text(asked, answer=True),
            renderer.template.text([*asked, Turn("assistant", "b")], answer=False),
        ]
    except TemplateError:
        return ""
    return texts[0][common_length(*texts) :]
