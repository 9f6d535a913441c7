"""A record as a token tree: the ids that the model reads, and the loss mask over these ids.

The prompt is encoded once, as in sampling, and every response continues exactly those ids. Where the
tokenizer would join the end of the prompt and the start of the response in one token, the response is
encoded on its own and the note `boundary-merge` is counted. A response always ends with one scored stop
token: the template's end of turn, the next speaker's token, or EOS where the template writes neither.
The padding token is not read here, so a policy whose tokenizer pads with EOS learns to stop like any other.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from itertools import repeat
from typing import TypeVar

from jinja2 import TemplateError

from truing.config.tables import unknown
from truing.core.errors import ModelError
from truing.core.records import Message, Record
from truing.data.layout import Layout, TurnMarks, common_length, lay_out
from truing.data.refusals import Refusal, RefusedRowError, TurnsError
from truing.data.said import require_words
from truing.data.templates import TEMPLATES, Template, make_template
from truing.data.tokens import (
    Encoder,
    GivesUpError,
    SmuggledError,
    Tokenizer,
    decode,
    make_encoder,
    unused_characters,
)
from truing.data.trees import Branch, Tree

T = TypeVar("T")
U = TypeVar("U")

BATCH = 128  # records whose texts are encoded together


class Note(StrEnum):
    """Events in the rendering of a record, which are counted and reported."""

    CONTROL = "control-token"  # one string in the rows that reads like a control token
    WRITTEN = "template-in-row"  # one record whose words hold the template's own turns
    BOUNDARY_MERGE = "boundary-merge"  # one response encoded apart from its prompt
    PROMPT_DIFFERS = "prompt-differs"  # one record whose prompt is not the one used for sampling
    BY_TURN = "turn-by-turn"  # one record trained as several, since the template cuts its earlier thoughts


@dataclass(frozen=True, slots=True)
class Rendering:
    """A record's tree and the count of each `Note` made while rendering it."""

    tree: Tree
    counts: Counter[str]


@dataclass(frozen=True, slots=True)
class _Written:
    """A record as text, before it is encoded."""

    prompt: str
    layouts: list[Layout]  # of its responses
    cut: str  # the character inside control tokens of the words
    counts: Counter[str]

    def texts(self) -> Iterator[str]:
        """Yield the texts that will be encoded, each up to its first cut."""
        ends = (layout.text[: segment.end] for layout in self.layouts for segment in layout.segments)
        return (text.partition(self.cut)[0] for text in (self.prompt, *ends))


@dataclass(frozen=True, slots=True)
class Renderer:
    """A renderer of records and prompts to ids for one tokenizer and template, made by `make_renderer`."""

    template: Template
    encoder: Encoder
    stops: tuple[str, ...]  # the text of stop tokens
    stop_ids: frozenset[int]  # a response ends with one of these
    bos: tuple[int, ...]  # put before text that has no template to write it
    eos: int | None
    blank: dict[int, bool] = field(default_factory=dict, compare=False, repr=False)  # ids

    def tree(self, record: Record) -> Tree:
        """Render the prompt once, and one branch per response in the record's order."""
        return self.render(record).tree

    def render(self, record: Record) -> Rendering:
        """Render `tree` with its notes. Raises RefusedRowError for turns that the template cannot write."""
        (found,) = self.render_each([record])
        if isinstance(found, RefusedRowError):
            raise found
        return found

    def render_each(self, records: Sequence[Record]) -> Iterator[Rendering | RefusedRowError]:
        """Yield what `render` returns or raises for each record; BATCH of them are tokenised together."""
        for start in range(0, len(records), BATCH):
            some = records[start : start + BATCH]
            written = [self._refused_or(self._written, record, record) for record in some]
            known = (text for one in written if isinstance(one, _Written) for text in one.texts())
            self.encoder.prepare(known)
            yield from [
                self._refused_or(self._encoded, record, one) if isinstance(one, _Written) else one
                for record, one in zip(some, written, strict=True)
            ]

    def _refused_or(self, work: Callable[[T], U], record: Record, given: T) -> U | RefusedRowError:
        """Return `work(given)`, or the refusal of its record."""
        try:
            return work(given)
        except _REFUSALS as error:
            return _refusal(self.template.name, record.place or "a record", error)

    def prompt(self, messages: Sequence[Message], given: str = "", place: str = "prompt") -> list[int]:
        """Return the ids after which the model answers; `given` is `Record.given`. Raises RefusedRowError."""
        cut = unused_characters([given, *_texts(messages)], 1)[0]
        try:
            turns, (given,) = self._disarm(messages, cut), self.encoder.disarm([given], cut)
            return self._prompt_ids(self._prompt_text(turns, given), cut)
        except _REFUSALS as error:
            raise _refusal(self.template.name, place, error) from error

    def _prompt_text(self, turns: Sequence[Message], given: str) -> str:
        text = self.template.text(turns, answer=True, given=given)
        self.template.require_read(turns, given)
        self.template.require_places(turns, answer=True)
        require_words(text, turns)
        return text

    def _written(self, record: Record) -> "_Written":
        """Write a record as text, and find what is learnt in it."""
        spoken = [_up_to_the_last_answer(response.turns) for response in record.responses]
        conversations = [record.prompt, *spoken]
        texts = [text for turns in conversations for text in _texts(turns)]
        marks = TurnMarks(*unused_characters([record.given, *texts], 3))
        counts: Counter[str] = Counter()
        starts = [self.encoder.find(_texts(turns), _own(turns)) for turns in conversations]
        counts[Note.CONTROL] = sum(map(len, starts))
        counts[Note.WRITTEN] = int(any(map(self._holds_template, texts)))

        prompt, *said = map(self._disarmed, conversations, starts, repeat(marks.cut))
        (given,) = self.encoder.disarm([record.given], marks.cut)
        layouts = [lay_out(self.template, prompt, turns, marks, self.stops, given) for turns in said]
        start = _shared_start(layouts) if layouts else 0
        layouts = [_begun_at(layout, start) for layout in layouts]
        sampled = {self._sampled(prompt, given, needed=not layouts)} - {None}
        written = {layout.prompt for layout in layouts} or sampled
        if len(written) != 1:
            raise TurnsError(Refusal.UNCLEAR, "the template writes the prompt differently for each response")
        counts[Note.PROMPT_DIFFERS] = int(bool(sampled) and written != sampled)
        return _Written(written.pop() or "", layouts, marks.cut, counts)

    def _encoded(self, written: "_Written") -> Rendering:
        prompt_ids, counts = self._prompt_ids(written.prompt, written.cut), written.counts
        branches: list[Branch] = []
        for layout in written.layouts:
            branch, merged = self._branch(layout, prompt_ids, written.cut)
            branches.append(branch)
            counts[Note.BOUNDARY_MERGE] += merged
        if len({tuple(branch.tokens) for branch in branches}) < len(branches):
            raise TurnsError(Refusal.SAME, "the template writes two of the responses in the same way")
        return Rendering(Tree(prompt_ids, tuple(branches)), +counts)

    def _sampled(self, prompt: Sequence[Message], given: str, *, needed: bool) -> str | None:
        """Return the text to sample after; None where the template has none and it is not `needed`."""
        if not prompt and not needed:
            return None
        try:
            return self._prompt_text(prompt, given)
        except TemplateError:
            if needed:
                raise
            return None

    def _holds_template(self, text: str) -> bool:
        """Tell whether a text holds the template's end of turn and another token of the template."""
        found = set(self.encoder.pattern.findall(text))
        if found.isdisjoint(self.stops):
            return False
        return any(one in self.template.source for one in found.difference(self.stops))

    def _disarm(self, turns: Sequence[Message], cut: str) -> list[Message]:
        return self._disarmed(turns, self.encoder.find(_texts(turns), _own(turns)), cut)

    def _disarmed(self, turns: Sequence[Message], starts: Sequence[int], cut: str) -> list[Message]:
        """Put cuts into turns whose control tokens begin at `starts` of their joined texts."""
        if not starts:
            return list(turns)
        texts = self.encoder.disarm_at(_texts(turns), starts, cut)
        pairs = zip(turns, texts[::2], texts[1::2], strict=True)
        return [replace(turn, content=content, extras=extras) for turn, content, extras in pairs]

    def _ids(self, text: str, cut: str) -> list[int]:
        """Return the ids of a conversation from its first character on, with BOS once."""
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
        """Return the ids after `prompt`, and whether they had to be encoded apart from it.

        A segment is read from the ids of the whole text only when those ids start with the ids so far: then
        the model sees the same ids while sampling.
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
        """Tell whether a stop token stands last, or is followed by white space alone."""
        tokenizer = self.encoder.tokenizer
        for last in reversed(ids):
            if last in self.stop_ids:
                return True
            if last not in self.blank:
                self.blank[last] = not decode([last], tokenizer).strip()
            if not self.blank[last]:
                return False
        return False


def make_renderer(
    tokenizer: Tokenizer,
    template: str = "auto",
    trust_control_tokens: bool = False,
    *,
    ends: Iterable[int] = (),
) -> Renderer:
    """Make a renderer; `template` is "auto" or a key of `TEMPLATES`.

    "auto" is the tokenizer's own chat template where it has one and "plain" otherwise;
    `renderer.template.name` tells the choice. `ends` are the ids that end a response besides EOS and the
    template's end of turn: those of the model's generation config.
    """
    if template == "auto":
        template = "chat" if tokenizer.chat_template else "plain"
    if template not in TEMPLATES:
        raise unknown("template", template, ("auto", *TEMPLATES), error=ModelError)
    if template == "chat" and not tokenizer.chat_template:
        raise ModelError(
            "the tokenizer has no chat template",
            hint="set data.template to alpaca or plain, as for base models",
        )
    if template == "alpaca" and tokenizer.eos_token_id is None:
        raise ModelError("the alpaca template ends a response with EOS, and the tokenizer has none")
    encoder = make_encoder(tokenizer, trusted=trust_control_tokens)
    writer = make_template(template, tokenizer, datetime.now())
    stop_ids = _stop_ids(writer, encoder) | frozenset(ends)
    if not stop_ids:
        raise ModelError("nothing ends a response: the template writes no control token, and there is no EOS")
    text_of = {index: text for text, index in encoder.control.items()}
    stops = tuple(text_of[index] for index in stop_ids if index in text_of)
    bos = () if template == "chat" else _leading_bos(tokenizer)
    return Renderer(writer, encoder, stops, stop_ids, bos, tokenizer.eos_token_id)


def _stop_ids(template: Template, encoder: Encoder) -> frozenset[int]:
    """Find the ids that end a response: EOS, and the first control token after an assistant's words.

    Where the template writes no such token, the token that opens a user's or a tool's turn is one.
    """
    words = unused_characters([str(template.tokenizer.chat_template)], 1)[0]
    turns = [Message("user", "a"), Message("assistant", words)]
    behind = template.text(turns, answer=False).partition(words)[2]
    followed = [match[0] for match in [encoder.pattern.search(behind)] if match]
    for role in () if followed else ("user", "tool"):
        try:
            text = template.text([*turns, Message(role, "a"), Message("assistant", "b")], answer=False)
        except TemplateError:
            continue
        match = encoder.pattern.match(text.partition(words)[2].lstrip())
        followed += [match[0]] if match else []
    stops = {encoder.control[token] for token in followed}
    if template.tokenizer.eos_token_id is not None:
        stops.add(template.tokenizer.eos_token_id)
    return frozenset(stops)


def _leading_bos(tokenizer: Tokenizer) -> tuple[int, ...]:
    """Return BOS where the tokenizer itself would put it before text, else nothing."""
    first = tokenizer.encode("a", add_special_tokens=True)[:1]
    return (first[0],) if first and first[0] == tokenizer.bos_token_id else ()


def _up_to_the_last_answer(turns: Sequence[Message]) -> Sequence[Message]:
    """Cut off the turns after the last assistant turn that is learnt: they teach nothing."""
    last = max(k for k, turn in enumerate(turns) if turn.role == "assistant" and turn.scored)
    return turns[: last + 1]


def _shared_start(layouts: Sequence[Layout]) -> int:
    """Find where the first response of a prompt begins, before white space in which the responses differ."""
    start = min(layout.start for layout in layouts)
    prompts = [layout.text[:start] for layout in layouts]
    shared = common_length(*prompts)
    return start if any(prompt[shared:].strip() for prompt in prompts) else shared


def _begun_at(layout: Layout, start: int) -> Layout:
    """Move the start of a layout's response back to `start` where only white space lies between."""
    if start == layout.start or layout.text[start : layout.start].strip():
        return layout
    return replace(layout, start=start)


def _texts(turns: Sequence[Message]) -> list[str]:
    """List all texts of the row's turns, two texts per turn."""
    return [text for turn in turns for text in (turn.content, turn.extras)]


def _own(turns: Sequence[Message]) -> list[bool]:
    """Tell for each of `_texts` whether it is the assistant's own."""
    return [turn.role == "assistant" for turn in turns for _ in range(2)]


_REFUSALS = (TurnsError, TemplateError, SmuggledError, GivesUpError)


def _refusal(template: str, place: str, error: Exception) -> RefusedRowError:
    """Return the refusal of a row for an error of `_REFUSALS` about its turns."""
    told = error if isinstance(error, TurnsError) else TurnsError(Refusal.REFUSED, str(error))
    refused = RefusedRowError(place, template, told)
    refused.__cause__ = error
    return refused
