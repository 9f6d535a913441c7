"""A record as a token tree: which ids the model reads, and which of them carry loss.

The prompt is encoded once, as it is when sampling, and every response continues exactly those ids. Where
the tokenizer would join the end of the prompt and the start of the response in one token, the response is
encoded on its own and the note `boundary-merge` is counted. A response always ends with one scored stop
token: the template's end of turn, or EOS where the template writes none. Nothing here looks at the padding
token, so a tokenizer that pads with EOS learns to stop like any other.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from jinja2 import TemplateError

from truing.core.errors import DataError, ModelError
from truing.core.records import Message, Record
from truing.data.templates import TEMPLATES, Layout, Marks, Template, UnclearError, lay_out, make_template
from truing.data.tokens import Encoder, SmuggledError, Tokenizer, decode, make_encoder, unused_characters
from truing.data.trees import Branch, Tree


class Note(StrEnum):
    """What happened while a record was rendered; counted, never silent."""

    CONTROL = "control-token"  # one string in the rows that reads like a control token
    BOUNDARY_MERGE = "boundary-merge"  # one response encoded apart from its prompt
    PROMPT_DIFFERS = "prompt-differs"  # one record whose prompt is not the one used for sampling


@dataclass(frozen=True, slots=True)
class Rendering:
    """A record's tree and how often each `Note` was made on the way."""

    tree: Tree
    counts: Counter[str]


@dataclass(frozen=True, slots=True)
class Renderer:
    """Records and prompts to ids, for one tokenizer and one template. Made by `make_renderer`."""

    template: Template
    encoder: Encoder
    stops: tuple[str, ...]  # the text of stop tokens
    stop_ids: frozenset[int]  # a response ends with one of these
    bos: tuple[int, ...]  # put before text that has no template to write it
    eos: int | None

    def tree(self, record: Record) -> Tree:
        """The prompt once, and one branch per response in the record's order."""
        return self.render(record).tree

    def render(self, record: Record) -> Rendering:
        """`tree`, with what there is to tell about it."""
        place = record.place or "a record"
        try:
            return self._render(record)
        except (TemplateError, SmuggledError) as error:
            raise _refused(self.template.name, place, error) from error
        except UnclearError as error:
            raise ModelError(
                f"{place}: cannot tell which text of the chat template the assistant speaks: {error}",
                hint="set data.template to alpaca or plain, or mend the tokenizer's chat template",
            ) from error

    def prompt(self, messages: Sequence[Message]) -> list[int]:
        """The ids after which the model answers."""
        cut = unused_characters([turn.content for turn in messages], 1)[0]
        try:
            text = self.template.text(self._disarm(messages, cut), answer=True)
            return self._prompt_ids(text, cut)
        except (TemplateError, SmuggledError) as error:
            raise _refused(self.template.name, "prompt", error) from error

    def _render(self, record: Record) -> Rendering:
        spoken = [_up_to_the_last_answer(response.turns) for response in record.responses]
        contents = [[turn.content for turn in turns] for turns in (record.prompt, *spoken)]
        marks = Marks(*unused_characters([text for texts in contents for text in texts], 3))
        counts: Counter[str] = Counter()
        counts[Note.CONTROL] = sum(len(self.encoder.find(texts)) for texts in contents)

        prompt = self._disarm(record.prompt, marks.cut)
        layouts = [
            lay_out(self.template, prompt, self._disarm(turns, marks.cut), marks, self.stops)
            for turns in spoken
        ]
        sampled = {self.template.text(prompt, answer=True)} if prompt else set()
        written = {layout.prompt for layout in layouts} or sampled
        if len(written) > 1:
            raise UnclearError("it writes the prompt differently for each response")
        counts[Note.PROMPT_DIFFERS] = int(bool(prompt) and written != sampled)
        prompt_ids = self._prompt_ids(written.pop(), marks.cut)
        branches: list[Branch] = []
        for layout in layouts:
            branch, merged = self._branch(layout, prompt_ids, marks.cut)
            branches.append(branch)
            counts[Note.BOUNDARY_MERGE] += merged
        return Rendering(Tree(prompt_ids, tuple(branches)), +counts)

    def _disarm(self, turns: Sequence[Message], cut: str) -> list[Message]:
        contents = self.encoder.disarm([turn.content for turn in turns], cut)
        return [replace(turn, content=content) for turn, content in zip(turns, contents, strict=True)]

    def _ids(self, text: str, cut: str) -> list[int]:
        """The ids of a conversation from its first character on, BOS once."""
        ids = self.encoder.encode(text, cut)
        return ids if tuple(ids[:1]) == self.bos else [*self.bos, *ids]

    def _prompt_ids(self, text: str, cut: str) -> list[int]:
        ids = self._ids(text, cut)
        if ids:
            return ids
        bos = self.encoder.tokenizer.bos_token_id
        start = self.eos if bos is None else bos
        if start is None:
            raise ModelError("an empty prompt needs a BOS or EOS token, and the tokenizer has neither")
        return [start]

    def _branch(self, layout: Layout, prompt: list[int], cut: str) -> tuple[Branch, bool]:
        """The ids after `prompt`, and whether they had to be encoded apart from it.

        A stretch is read from the ids of the whole text only when these start with the ids so far,
        which is when the model sees them so while sampling.
        """
        unwritten = [] if layout.start or self.bos else prompt  # the start token of an empty prompt
        ids, scored, position, joined = list(prompt), [], layout.start, True
        for segment in layout.segments:
            whole = [*unwritten, *self._ids(layout.text[: segment.end], cut)] if joined else []
            joined = joined and whole[: len(ids)] == ids
            apart = [] if joined else self.encoder.encode_apart(layout.text[position : segment.end], cut)
            ids = whole if joined else ids + apart
            scored += [segment.scored] * (len(ids) - len(prompt) - len(scored))
            position = segment.end
        if not self._is_closed(ids[len(prompt) :]):
            if self.eos is None:
                raise ModelError("the template does not end a response and the tokenizer has no EOS token")
            ids, scored = [*ids, self.eos], [*scored, True]
        return Branch(ids[len(prompt) :], scored), not joined

    def _is_closed(self, ids: list[int]) -> bool:
        """Whether a stop token stands last, or has but white space after it."""
        tokenizer = self.encoder.tokenizer
        solid = (i for i in reversed(ids) if i in self.stop_ids or decode([i], tokenizer).strip())
        return next(solid, None) in self.stop_ids


def make_renderer(
    tokenizer: Tokenizer, template: str = "auto", trust_control_tokens: bool = False
) -> Renderer:
    """A renderer; `template` is "auto" or a key of `TEMPLATES`.

    "auto" is the tokenizer's own chat template where it has one and "plain" otherwise: which one it
    became is `renderer.template.name`.
    """
    if template == "auto":
        template = "chat" if tokenizer.chat_template else "plain"
    if template not in TEMPLATES:
        raise ModelError(f"template {template!r} is unknown; expected auto, {', '.join(TEMPLATES)}")
    if template == "chat" and not tokenizer.chat_template:
        raise ModelError(
            "the tokenizer has no chat template",
            hint="set data.template to alpaca or plain, as for base models",
        )
    if template == "alpaca" and tokenizer.eos_token_id is None:
        raise ModelError("the alpaca template ends a response with EOS, and the tokenizer has none")
    encoder = make_encoder(tokenizer, trusted=trust_control_tokens)
    writer = make_template(template, tokenizer, datetime.now())
    stop_ids = _stop_ids(writer, encoder)
    text_of = {index: text for text, index in encoder.control.items()}
    stops = tuple(text_of[index] for index in stop_ids if index in text_of)
    bos = () if template == "chat" else _leading_bos(tokenizer)
    return Renderer(writer, encoder, stops, stop_ids, bos, tokenizer.eos_token_id)


def _stop_ids(template: Template, encoder: Encoder) -> frozenset[int]:
    """EOS, and the first control token the template writes after an assistant's words."""
    words = unused_characters([str(template.tokenizer.chat_template)], 1)[0]
    try:
        text = template.text([Message("user", "a"), Message("assistant", words)], answer=False)
    except TemplateError as error:
        raise ModelError(
            f"the chat template fails on one user and one assistant turn: {error}",
            hint="set data.template to alpaca or plain, or mend the tokenizer's chat template",
        ) from error
    end_of_turn = encoder.pattern.search(text.partition(words)[2])
    stops = {encoder.control[end_of_turn[0]]} if end_of_turn else set()
    if template.tokenizer.eos_token_id is not None:
        stops.add(template.tokenizer.eos_token_id)
    if not stops:
        raise ModelError("nothing ends a response: the template writes no control token, and there is no EOS")
    return frozenset(stops)


def _leading_bos(tokenizer: Tokenizer) -> tuple[int, ...]:
    """BOS where the tokenizer itself would put it before text."""
    first = tokenizer.encode("a", add_special_tokens=True)[:1]
    return (first[0],) if first and first[0] == tokenizer.bos_token_id else ()


def _up_to_the_last_answer(turns: Sequence[Message]) -> Sequence[Message]:
    """Turns after the last assistant turn teach nothing."""
    last = max(k for k, turn in enumerate(turns) if turn.role == "assistant")
    return turns[: last + 1]


def _refused(template: str, place: str, error: Exception) -> DataError:
    return DataError(
        f"{place}: the {template} template cannot write this row: {error}",
        hint="mend the row's turns, or set data.template to alpaca or plain",
    )
