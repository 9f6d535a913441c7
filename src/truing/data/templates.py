"""Turns to text, and where in that text the assistant speaks.

To add a template, write its Jinja source and a row of `TEMPLATES`; `chat` is the tokenizer's own. What an
assistant turn adds after the generation prompt carries loss: its words, its end-of-turn token and the
text the template writes behind that. Spans are found by rendering the conversation up to a turn and
checking that the whole starts with it. Where it does not (a template that writes a think block only in
the last turn) the words are marked with characters used nowhere else and looked up in the rendered text.
"""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from jinja2 import TemplateError

from truing.core.records import Message
from truing.data.tokens import Tokenizer

# Two user turns in a row are Alpaca's instruction and input.
ALPACA = r"""{%- if not messages or messages[0]['role'] != 'system' -%}
{%- if messages | length > 1 and messages[0]['role'] == messages[1]['role'] == 'user' -%}
{{- 'Below is an instruction that describes a task, paired with an input that provides further context. ' -}}
{%- else -%}
{{- 'Below is an instruction that describes a task. ' -}}
{%- endif -%}
{{- 'Write a response that appropriately completes the request.\n\n' -}}
{%- endif -%}
{%- for message in messages -%}
{%- if message['role'] == 'system' -%}
{{- message['content'] + '\n\n' -}}
{%- elif message['role'] == 'user' -%}
{%- set second = loop.previtem is defined and loop.previtem['role'] == 'user' -%}
{{- ('### Input:\n' if second else '### Instruction:\n') + message['content'] + '\n\n' -}}
{%- elif message['role'] == 'assistant' -%}
{{- '### Response:\n' + message['content'] + eos_token + ('' if loop.last else '\n\n') -}}
{%- else -%}
{{- raise_exception('there is no place for a ' + message['role'] + ' turn') -}}
{%- endif -%}
{%- endfor -%}
{%- if add_generation_prompt -%}{{- '### Response:\n' -}}{%- endif -%}
"""
PLAIN = "{%- for message in messages -%}{{- message['content'] -}}{%- endfor -%}"

CLOCK = re.compile(r"""\bstrftime_now\(\s*(["'])(.*?)\1\s*\)""")

TEMPLATES: dict[str, str | None] = {"chat": None, "alpaca": ALPACA, "plain": PLAIN}


class UnclearError(ValueError):
    """A template writes turns in a way that hides where the assistant speaks."""


@dataclass(frozen=True, slots=True)
class Template:
    """A way to write turns as text. Made by `make_template`."""

    name: str  # a key of TEMPLATES
    source: str  # Jinja
    tokenizer: Tokenizer

    def text(self, turns: Sequence[Message], *, answer: bool) -> str:
        """The conversation; with `answer`, up to where the assistant starts to speak.

        Raises jinja2's TemplateError when the template refuses these turns.
        """
        if not turns and self.name == "plain":
            return ""
        if not turns:
            raise TemplateError("there is no turn before the answer")
        return self.tokenizer.apply_chat_template(
            [{"role": turn.role, "content": turn.content} for turn in turns],
            chat_template=self.source,
            add_generation_prompt=answer,
            tokenize=False,
        )

    def begins(self, text: str, turns: Sequence[Message], *, answer: bool) -> int | None:
        """How much of `text` is these turns as they stand alone; None where it does not start with them."""
        if not turns and self.name != "plain":
            return None
        prefix = self.text(turns, answer=answer)
        return len(prefix) if text.startswith(prefix) else None


def make_template(name: str, tokenizer: Tokenizer, now: datetime) -> Template:
    """A row of `TEMPLATES`. A template that writes the date writes that of `now` in every row."""
    source = TEMPLATES[name] or tokenizer.get_chat_template()
    return Template(name, CLOCK.sub(lambda call: json.dumps(now.strftime(call[2])), source), tokenizer)


@dataclass(frozen=True, slots=True)
class Segment:
    """Text from the end of the segment before (at first, of the prompt) to `end`."""

    end: int
    scored: bool


@dataclass(frozen=True, slots=True)
class Layout:
    """A conversation as text: the prompt is `text[:start]`, the segments are the response."""

    text: str
    start: int
    segments: tuple[Segment, ...]

    @property
    def prompt(self) -> str:
        return self.text[: self.start]


@dataclass(frozen=True, slots=True)
class Marks:
    """Characters that occur nowhere in a record."""

    cut: str  # inside control tokens, see data/tokens.py
    open: str  # before and
    close: str  # after the words of an assistant turn


def lay_out(
    template: Template,
    prompt: Sequence[Message],
    turns: Sequence[Message],
    marks: Marks,
    stops: tuple[str, ...],
) -> Layout:
    """Where the assistant turns of a response lie; `turns` ends with one of them."""
    turns = (*prompt, *turns)
    spoken = [k for k in range(len(prompt), len(turns)) if turns[k].role == "assistant"]
    text = template.text(turns, answer=False)
    starts = [template.begins(text, turns[:k], answer=True) for k in spoken]
    ends = [template.begins(text, turns[: k + 1], answer=False) for k in spoken[:-1]]
    ends.append(len(text))
    if None in (*starts, *ends):
        words = _marked_words(template, turns, spoken, marks, text)
        tail = text[words[-1][1] :]
        starts = [begin if start is None else start for start, (begin, _) in zip(starts, words, strict=True)]
        ends = [
            _end_of_turn(text, words_end, tail) if end is None else end
            for end, (_, words_end) in zip(ends, words, strict=True)
        ]
    segments: list[Segment] = []
    for start, end in zip(starts, ends, strict=True):
        assert start is not None and end is not None
        segments += [Segment(start, scored=False), Segment(_with_stop(text, start, end, stops), scored=True)]
    return Layout(text, segments[0].end, tuple(segments[1:]))


def _marked_words(
    template: Template, turns: Sequence[Message], spoken: list[int], marks: Marks, text: str
) -> list[tuple[int, int]]:
    """Where the words of the `spoken` turns lie in `text`, without the white space around them.

    The marks go inside that white space: a template that strips words then does to the marked ones
    what it does to the real ones.
    """
    marked = list(turns)
    for k in spoken:
        content = turns[k].content
        words = content.strip()
        before, _, after = content.partition(words) if words else (content, "", "")
        marked[k] = Message("assistant", before + marks.open + words + marks.close + after)
    rendered = template.text(marked, answer=False)
    unmarked = rendered.replace(marks.open, "").replace(marks.close, "")
    opened = [i for i, character in enumerate(rendered) if character == marks.open]
    closed = [i for i, character in enumerate(rendered) if character == marks.close]
    if unmarked != text or not len(opened) == len(closed) == len(spoken):
        raise UnclearError("it changes the words of assistant turns")
    return [(o - 2 * n, c - 2 * n - 1) for n, (o, c) in enumerate(zip(opened, closed, strict=True))]


def _end_of_turn(text: str, words_end: int, tail: str) -> int:
    """What follows the words of the last turn must follow those of earlier ones, and ends them."""
    rest = text[words_end:]
    blank = len(rest) - len(rest.lstrip())
    if not rest.startswith(tail.lstrip(), blank):
        raise UnclearError("it ends earlier assistant turns otherwise than the last")
    return words_end + blank + len(tail.lstrip())


def _with_stop(text: str, start: int, end: int, stops: tuple[str, ...]) -> int:
    """Some templates close a turn only when another follows; the stop token belongs to the turn."""
    if any(stop in text[start:end] for stop in stops):
        return end
    return end + max((len(stop) for stop in stops if text.startswith(stop, end)), default=0)
