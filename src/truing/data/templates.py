"""Write turns as text: the table of templates, and a template as one tokenizer has it.

To add a template, write its Jinja source and a row of `TEMPLATES`; `chat` is the tokenizer's own. A template
is given the whole turn as its row has it, with the row's values beside the turns (`tools`). Trials show how
it writes turns: whether it needs lists of parts, and whose words it leaves out.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from jinja2 import TemplateError

from truing.core.errors import ConfigError, ModelError
from truing.core.records import Message
from truing.data.bounded import write
from truing.data.measures import BEYOND, TooMuchError
from truing.data.refusals import OTHER_TEMPLATE, Refusal, TurnsError
from truing.data.said import CALL_KEYS, THOUGHT_KEYS
from truing.data.skeletons import Skeleton, probes, skeleton_of, writes_words_alone
from truing.data.tokens import Tokenizer
from truing.data.trial import require_bounded
from truing.data.turns import unread_code

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


REMEMBERED = 8  # texts of a template
ORDERS, FEW_TURNS = 256, 32  # orders of roles whose skeletons are remembered, and the most turns of one
PATIENCE = 20  # texts that a template did not end, after which it is not asked for more


@dataclass(frozen=True, slots=True)
class Template:
    """A way to write turns as text. Made by `make_template`."""

    name: str  # a key of TEMPLATES
    source: str  # Jinja
    tokenizer: Tokenizer
    parts: bool = False  # whether it wants the words of a turn as a list of parts
    tried: dict[tuple[str, ...], int | None] = field(default_factory=dict, compare=False, repr=False)
    written: dict[tuple[Any, ...], str] = field(default_factory=dict, compare=False, repr=False)
    beyond: list[TooMuchError] = field(default_factory=list, compare=False, repr=False)
    skeletons: dict[tuple[Any, ...], Skeleton] | None = field(default=None, compare=False, repr=False)

    def text(self, turns: Sequence[Message], *, answer: bool, given: str = "") -> str:
        """Write the conversation; with `answer`, up to the place where the assistant starts to speak.

        `given` is `Record.given`. Raises jinja2's TemplateError when the template refuses these turns. The
        last few texts are remembered: the responses to one prompt ask for its text again.
        """
        few = 0 < len(turns) <= FEW_TURNS and not given
        bare = few and not any(turn.extras or turn.unread for turn in turns)
        if self.skeletons is not None and bare:
            return self._skeleton(tuple(turn.role for turn in turns), answer, self.skeletons).text(turns)
        asked = (answer, given, *((turn, turn.unread) for turn in turns))
        if asked not in self.written:
            if len(self.written) >= REMEMBERED:
                self.written.clear()
            self.written[asked] = self._text(turns, answer=answer, given=given)
        return self.written[asked]

    def _skeleton(
        self, roles: tuple[str, ...], answer: bool, known: dict[tuple[Any, ...], Skeleton]
    ) -> Skeleton:
        """Return what a template that looks at roles alone writes around the words of turns."""
        if (answer, roles) not in known:
            if len(known) >= ORDERS:
                known.clear()

            def write(words: list[str]) -> str:
                return self._text(list(map(Message, roles, words)), answer=answer, given="")

            known[answer, roles] = skeleton_of(write, len(roles))
        return known[answer, roles]

    def _text(self, turns: Sequence[Message], *, answer: bool, given: str) -> str:
        if not turns and self.name == "plain":
            return ""
        if not turns:
            raise TemplateError("there is no turn before the answer")
        told = json.loads(given) if given else {}
        own = {"messages": [_aliased(self._as_read(turn)) for turn in turns], "add_generation_prompt": answer}
        if twice := own.keys() & told:
            raise TemplateError(f"{', '.join(sorted(twice))} cannot be among a row's template arguments")
        for key in ("tools", "documents"):
            if not all(isinstance(one, dict) for one in told.get(key) or ()):
                raise TemplateError(f"`{key}` has to hold objects")
        values = {"tools": None, "documents": None, **self.tokenizer.special_tokens_map, **told, **own}
        try:
            return write(self.source, values)
        except TooMuchError as error:
            self.beyond.append(error)
            if len(self.beyond) < PATIENCE:
                raise
            raise ModelError(BEYOND, hint=OTHER_TEMPLATE) from error

    def begins(self, text: str, turns: Sequence[Message], *, answer: bool, given: str = "") -> int | None:
        """Count the characters of these turns alone; None where `text` does not start with them."""
        if not turns and self.name != "plain":
            return None
        try:
            prefix = self.text(turns, answer=answer, given=given)
        except TemplateError:  # it may ask for turns that come later
            return None
        return len(prefix) if text.startswith(prefix) else None

    def reads(self, key: str) -> bool:
        """Tell whether the template looks at this key of a turn."""
        return re.search(rf"""\.{key}\b|['"]{key}['"]""", self.source) is not None

    def require_read(self, turns: Sequence[Message], given: str) -> None:
        """Raise TurnsError for a key that changes what a row means and that the template does not read."""
        for turn in turns:
            if not (turn.extras or turn.unread):  # it has its role and its words alone
                continue
            said = self._as_read(turn)
            for key in (*THOUGHT_KEYS, *CALL_KEYS):
                if said.get(key) and not self.reads(key):
                    raise TurnsError(unread_code(key), f"the template does not read `{key}`")
        for key in ("tools", "documents"):
            if given and key in json.loads(given) and not re.search(rf"\b{key}\b", self.source):
                raise TurnsError(unread_code(key), f"the template does not read `{key}`")

    def require_places(self, turns: Sequence[Message], *, answer: bool) -> None:
        """Raise TurnsError where the template leaves out words of turns in this order of roles."""
        roles = tuple(turn.role for turn in turns) + ("?",) * answer
        if roles not in self.tried:
            self.tried[roles] = self._left_out(roles, answer)
        lost = self.tried[roles]
        if lost is not None:
            raise TurnsError(
                Refusal.DROPS, f"the template leaves out the words of turn {lost + 1} ({roles[lost]})"
            )

    def _left_out(self, roles: tuple[str, ...], answer: bool) -> int | None:
        """Find the first turn whose words are not written; None also where these turns cannot be tried."""
        words = probes(len(roles) - answer)
        try:
            text = self.text([Message(*one) for one in zip(roles, words, strict=False)], answer=answer)
        except TemplateError:
            return None
        return next((index for index, word in enumerate(words) if word not in text), None)

    def _as_read(self, turn: Message) -> dict[str, Any]:
        """Return a turn with its thought and its call under the keys that the template reads."""
        said = turn.as_dict()
        if self.parts and isinstance(said["content"], str):
            said["content"] = [{"type": "text", "text": said["content"]}]
        for key in THOUGHT_KEYS:
            if key in said and not self.reads(key):
                other = next((one for one in THOUGHT_KEYS if one not in said and self.reads(one)), None)
                if other:
                    said[other] = said.pop(key)
        if "function_call" in said and not self.reads("function_call") and self.reads("tool_calls"):
            said["tool_calls"] = [{"type": "function", "function": said.pop("function_call")}]
        return said


def _aliased(turn: Mapping[str, Any]) -> dict[str, Any]:
    """Leave out keys without a value, and put a thought under its other names too, as transformers does."""
    turn = {key: value for key, value in turn.items() if value is not None}
    thought = next((turn[key] for key in (*THOUGHT_KEYS, "reasoning") if key in turn), None)
    return turn if thought is None else {"thinking": thought, **turn, "reasoning_content": thought}


def make_template(name: str, tokenizer: Tokenizer, now: datetime) -> Template:
    """Make a template from a row of `TEMPLATES`; one that writes the date writes that of `now` in every row.

    Raises ModelError for a template that leaves out the words of a user or of the assistant.
    """
    source = TEMPLATES[name] or tokenizer.get_chat_template()
    require_bounded(source)
    source = CLOCK.sub(lambda call: json.dumps(now.strftime(call[2])), source)
    turns = [Message("system", "a"), Message("user", "b"), Message("assistant", "c")]
    alone = writes_words_alone(source)
    for roles in (turns, turns[1:]):
        for parts in (False, True):
            skeletons = {} if alone and not parts else None
            template = Template(name, source, tokenizer, parts, skeletons=skeletons)
            if _writes_all(template, [turn.role for turn in roles]):
                return template
    template = Template(name, source, tokenizer)
    try:
        template.text(turns[1:], answer=False)
    except TemplateError as error:
        raise ModelError(
            f"the chat template fails on one user and one assistant turn: {error}", hint=OTHER_TEMPLATE
        ) from error
    raise ModelError(
        f"the {name} template leaves out what the user or the assistant says, written as text and as parts",
        hint=OTHER_TEMPLATE,
    )


def _writes_all(template: Template, roles: list[str]) -> bool:
    words = probes(len(roles))
    try:
        text = template.text([Message(*one) for one in zip(roles, words, strict=True)], answer=False)
    except TemplateError:
        return False
    return all(word in text for word in words) and "'type'" not in text  # a list that was printed


def with_arguments(source: Any, arguments: Mapping[str, Any]) -> Any:
    """Give a tokenizer's chat template new defaults for the arguments it reads, such as `enable_thinking`.

    The defaults are part of the template, so they go with it into a run, a checkpoint, an export, a server.
    Raises ConfigError for an argument that the template does not read.
    """
    if not arguments:
        return source
    for name in arguments:
        if not isinstance(source, str) or not name.isidentifier() or not re.search(rf"\b{name}\b", source):
            raise ConfigError(
                f"data.template_arguments: the chat template does not read {name!r}",
                hint="look for its name in chat_template.jinja of the policy",
            )
    lines = (
        f"{{%- if {name} is not defined %}}{{%- set {name} = {_jinja(value)} %}}{{%- endif -%}}"
        for name, value in arguments.items()
    )
    return "\n".join(lines) + "\n" + source


def _jinja(value: Any) -> str:
    """Write a value as a Jinja literal."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{_jinja(key)}: {_jinja(one)}" for key, one in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(_jinja, value)) + "]"
    return "none" if value is None else json.dumps(value, ensure_ascii=False)
