"""One line of data, whatever file it came from: a prompt and the responses to it.

Every on-disk format is turned into `Record`s by `data/formats.py`; everything after that speaks only
of prompts and responses. What kind of training a record can serve follows from its responses:

    prompt only       no response
    demonstration     one response, no opinion on it            SFT
    preference        two responses, ranked                     DPO and its family, reward models
    ranking           more than two responses, ranked or scored reward models, best/worst pairs
    unpaired          one response with a label                 KTO, BCO
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from hashlib import sha256
from typing import Any

ROLES = ("system", "user", "assistant", "tool")


class Kind(StrEnum):
    """The kinds of training that a record can serve."""

    PROMPT = "prompt"
    DEMONSTRATION = "demonstration"
    PREFERENCE = "preference"
    RANKING = "ranking"
    UNPAIRED = "unpaired"


@dataclass(frozen=True, slots=True)
class Message:
    """One turn of a conversation.

    `extras` and `unread` are the text of JSON objects, or empty, so that a turn can be hashed and compared. A
    key in these objects overrides the field of that name: `content` may be null in a call without words.
    """

    role: str  # one of ROLES
    content: str
    extras: str = ""  # the values beside the words that templates read: thoughts, calls, names
    scored: bool = True  # False for an assistant turn that its row marks as not to be learnt
    unread: str = field(default="", compare=False)  # the other keys of the row's turn

    def __post_init__(self) -> None:
        if self.role not in ROLES:
            raise ValueError(f"role {self.role!r} is unknown; roles are {', '.join(ROLES)}")
        if not isinstance(self.content, str):  # pyright: ignore[reportUnnecessaryIsInstance] - rows come unread
            raise ValueError(f"the content of a {self.role} turn is {type(self.content).__name__}, not text")

    @property
    def more(self) -> dict[str, Any]:
        """`extras` as an object."""
        return json.loads(self.extras) if self.extras else {}

    def as_dict(self) -> dict[str, Any]:
        """The whole turn as templates and files have it."""
        unread: dict[str, Any] = json.loads(self.unread) if self.unread else {}
        return {"role": self.role, "content": self.content, **self.more, **unread}


Turns = tuple[Message, ...]  # of a conversation, the oldest first


@dataclass(frozen=True, slots=True)
class RubricItem:
    """One item of a row's rubric: a statement that a response meets or not.

    A response that fails an item with `must` has a score of 0, whatever else it meets.
    """

    text: str
    weight: float = 1.0  # its part of the score, relative to the others; below 0 for what should not be there
    must: bool = False


@dataclass(frozen=True, slots=True)
class Response:
    """The turns that follow a prompt: an assistant turn, and further turns where the data has them.

    Only assistant turns are trained on. `rank` 0 is the best; `score` larger is better.
    """

    turns: tuple[Message, ...]
    rank: int | None = None
    score: float | None = None
    label: bool | None = None
    source: str | None = None

    def __post_init__(self) -> None:
        if not self.turns or self.turns[0].role != "assistant":
            raise ValueError("a response starts with an assistant turn")

    @property
    def text(self) -> str:
        """The assistant's words; several turns are joined by a blank line."""
        return "\n\n".join(turn.content for turn in self.turns if turn.role == "assistant")


@dataclass(frozen=True, slots=True)
class Record:
    """A prompt, its responses, and where the two were found (`file:line`).

    `columns` is the row as it stood in the file, for rewards that read further columns. `place` is for
    people. `id` tells rows apart: a line may hold several rows, and two files may share a name. `given` is
    the text of a JSON object, or empty: the values beside the turns that the chat template is given, such as
    `tools`. `probability` is the chance, 0 to 1, that the first of two responses is the better one; None
    where the row takes that for certain. `rubric` holds the items that a response to the prompt is judged by.
    `unread` names the columns that nothing was read from.
    """

    prompt: tuple[Message, ...]
    responses: tuple[Response, ...] = ()
    margin: float | None = None
    category: str | None = None
    place: str = ""
    given: str = ""
    probability: float | None = None
    rubric: tuple[RubricItem, ...] = ()
    columns: Mapping[str, object] = field(default_factory=dict[str, object], compare=False, repr=False)
    source: int = field(default=0, compare=False, repr=False)  # index of its file, from 0
    number: int = field(default=0, compare=False, repr=False)  # of the row in that file, from 1
    unread: tuple[str, ...] = field(default=(), compare=False, repr=False)

    def __post_init__(self) -> None:
        if not self.prompt and not self.responses:
            raise ValueError("a record needs a prompt or a response")

    @property
    def id(self) -> tuple[int, int]:
        """The identity of the row among all rows that were read together."""
        return self.source, self.number

    @property
    def kind(self) -> Kind:
        if not self.responses:
            return Kind.PROMPT
        if len(self.responses) == 1:
            return Kind.DEMONSTRATION if self.responses[0].label is None else Kind.UNPAIRED
        return Kind.PREFERENCE if len(self.responses) == 2 else Kind.RANKING

    @property
    def chosen(self) -> Response:
        """The best response. Formats order responses best first, so this is the first."""
        return self.responses[0]

    @property
    def rejected(self) -> Response:
        """The worst response."""
        return self.responses[-1]


def as_json(value: object) -> str:
    """`value` as `Message.extras` and `Record.given` hold it; an empty object is empty text."""
    return json.dumps(value, ensure_ascii=False, default=str) if value else ""


def user(text: str) -> tuple[Message, ...]:
    """A prompt of one user turn."""
    return (Message("user", text),)


def reply(text: str, **fields: object) -> Response:
    """A response of one assistant turn."""
    return Response((Message("assistant", text),), **fields)  # pyright: ignore[reportArgumentType]


def key_of(prompt: Sequence[Message]) -> int:
    """Return a number below 2**64 that is a function of the prompt's text."""
    text = "\x00".join(part for turn in prompt for part in (turn.role, turn.content))
    return int.from_bytes(sha256(text.encode()).digest()[:8], "big")
