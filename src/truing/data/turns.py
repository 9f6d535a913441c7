"""Conversations as files write them, into `Message`s: role names, key names, order, and where a prompt ends.

Every function takes a value straight from a row and either returns messages that make sense or raises
`RowError`. To accept another name for a role, add a line to `ROLE_NAMES`.
"""

import re
from collections.abc import Sequence

from truing.core.messages import message
from truing.core.records import Message, Response
from truing.data.rows import RowError, excerpt

ROLE_NAMES = {
    "system": "system",
    "developer": "system",
    "human": "user",
    "user": "user",
    "gpt": "assistant",
    "assistant": "assistant",
    "chatgpt": "assistant",
    "model": "assistant",
    "bot": "assistant",
    "function_call": "assistant",
    "tool": "tool",
    "function": "tool",
    "observation": "tool",
}
# Which roles may follow a role; None stands for the start.
FOLLOWERS = {
    None: ("system", "user"),
    "system": ("user",),
    "user": ("assistant",),
    "assistant": ("user", "tool"),
    "tool": ("tool", "assistant"),
}
SPEAKER = re.compile(r"\n\n(Human|Assistant):")

Turns = tuple[Message, ...]


def as_text(value: object, key: str) -> str:
    """A string, or the text parts of an OpenAI content list joined."""
    if isinstance(value, str):
        return value
    if isinstance(value, list) and value and all(isinstance(part, dict) for part in value):
        texts = [part.get("text") for part in value if part.get("type") == "text"]
        if len(texts) == len(value) and all(isinstance(text, str) for text in texts):
            return "".join(texts)
        raise RowError("not-text", message("`{key}` holds parts that are not text, such as images", key=key))
    raise RowError("wrong-type", message("`{key}` is {kind}, expected text", key=key, kind=_type(value)))


def as_messages(value: object, key: str) -> Turns:
    """A list of messages, or a single message; blank system turns are dropped, the order is not checked."""
    items = [value] if isinstance(value, dict) else value
    if not isinstance(items, list) or not items:
        raise RowError(
            "wrong-type",
            message("`{key}` is {kind}, expected a list of messages", key=key, kind=_type(value)),
        )
    turns = tuple(_message(item, f"{key}[{index}]") for index, item in enumerate(items))
    return tuple(turn for turn in turns if turn.role != "system" or turn.content.strip())


def _message(item: object, key: str) -> Message:
    if not isinstance(item, dict):
        raise RowError(
            "wrong-type",
            message(
                "`{key}` is {kind}, expected a message with `role` and `content`", key=key, kind=_type(item)
            ),
        )
    name = item.get("role", item.get("from"))
    content = item.get("content", item.get("value"))
    if not isinstance(name, str) or name.lower() not in ROLE_NAMES:
        raise RowError(
            "unknown-role",
            message(
                "`{key}` has the role {value}; known: {names}",
                key=key,
                value=excerpt(name),
                names=", ".join(ROLE_NAMES),
            ),
        )
    if content is None and item.get("tool_calls"):
        raise RowError(
            "tool-calls", message("`{key}` has `tool_calls` and no text; write the call as text", key=key)
        )
    return Message(ROLE_NAMES[name.lower()], as_text(content, key))


def is_messages(value: object) -> bool:
    """Whether a value looks like a list of messages. Used to tell formats apart, not to judge rows."""
    return (
        isinstance(value, list)
        and bool(value)
        and all(isinstance(item, dict) and {"role", "from"} & item.keys() for item in value)
    )


def has_role(value: object, role: str) -> bool:
    """Whether any message of a list is by `role`, under any of its names."""
    items = value if isinstance(value, list) else []
    names = [item.get("role", item.get("from")) for item in items if isinstance(item, dict)]
    return any(ROLE_NAMES.get(str(name).lower()) == role for name in names)


def check_order(turns: Turns, key: str, *, after: str | None = None) -> Turns:
    """Return `turns` if every role may follow the one before it and no turn is blank."""
    for index, turn in enumerate(turns):
        if turn.role not in FOLLOWERS[after]:
            raise RowError(
                "role-order",
                message(
                    "`{key}` turn {number}: {role} after {before}",
                    key=key,
                    number=index + 1,
                    role=turn.role,
                    before=after or message("the start"),
                ),
            )
        if not turn.content.strip():
            code = {"assistant": "empty-response", "user": "empty-prompt"}.get(turn.role, "empty-turn")
            raise RowError(
                code,
                message(
                    "`{key}` turn {number}: the {role} says nothing",
                    key=key,
                    number=index + 1,
                    role=turn.role,
                ),
            )
        after = turn.role
    return turns


def check_prompt(turns: Turns, key: str) -> Turns:
    """Return `turns` if they are in order and wait for an answer."""
    check_order(turns, key)
    if not turns or turns[-1].role not in ("user", "tool"):
        raise RowError("role-order", message("`{key}` has to end with a user turn", key=key))
    return turns


def as_prompt(value: object, key: str) -> Turns:
    """A prompt in text, as messages, or as an HH-RLHF transcript that ends with `Assistant:`."""
    if not isinstance(value, str):
        return check_prompt(as_messages(value, key), key)
    if value.startswith("\n\nHuman:") and value.rstrip().endswith("\n\nAssistant:"):
        return check_prompt(transcript(value.rstrip().removesuffix("Assistant:"), key), key)
    return check_prompt((Message("user", value),), key)


def as_response(value: object, key: str, **fields: object) -> Response:
    """A response in text or as messages that start and end with the assistant."""
    turns = (Message("assistant", value),) if isinstance(value, str) else as_messages(value, key)
    check_order(turns, key, after="user")
    return response(turns, key, **fields)


def response(turns: Turns, key: str, **fields: object) -> Response:
    """`turns` as a `Response`; they start and end with the assistant."""
    if not turns or turns[0].role != "assistant" or turns[-1].role != "assistant":
        raise RowError(
            "missing-response", message("`{key}` has to end with what the assistant said", key=key)
        )
    return Response(turns, **fields)  # pyright: ignore[reportArgumentType]


def split_first(turns: Turns, key: str) -> tuple[Turns, Response]:
    """Cut a conversation before its first assistant turn: every assistant turn is there to be learnt."""
    check_order(turns, key)
    cut = next((index for index, turn in enumerate(turns) if turn.role == "assistant"), len(turns))
    return turns[:cut], response(turns[cut:], key)


def split_last(turns: Turns, key: str, **fields: object) -> tuple[Turns, Response]:
    """Cut a conversation before its last turn: the opinion in the row is about that turn alone."""
    check_order(turns, key)
    return turns[:-1], response(turns[-1:], key, **fields)


def split_pair(chosen: Turns, rejected: Turns) -> tuple[Turns, tuple[Response, Response]]:
    """Cut two whole conversations where they part: the common beginning is the prompt."""
    check_order(chosen, "chosen")
    check_order(rejected, "rejected")
    if chosen == rejected:
        raise RowError("identical-pair", message("chosen and rejected are the same conversation"))
    pairs = zip(chosen, rejected, strict=False)
    cut = next((index for index, (a, b) in enumerate(pairs) if a != b), min(len(chosen), len(rejected)))
    rest = chosen[cut:], rejected[cut:]
    if cut == 0 or any(not turns or turns[0].role != "assistant" for turns in rest):
        raise RowError(
            "different-prompts", message("chosen and rejected part at something the assistant did not say")
        )
    return chosen[:cut], (response(rest[0], "chosen"), response(rest[1], "rejected"))


def transcript(text: str, key: str) -> Turns:
    """The turns of an HH-RLHF transcript: `\\n\\nHuman: …\\n\\nAssistant: …`, stripped of white space."""
    before, *parts = SPEAKER.split("\n\n" + text.lstrip())
    if before.strip() or not parts:
        raise RowError(
            "broken-transcript",
            message(
                "`{key}` does not start with 'Human:', found {value}", key=key, value=excerpt(text.strip())
            ),
        )
    names: Sequence[str] = parts[0::2]
    contents = [content.strip() for content in parts[1::2]]
    if contents and not contents[-1] and names[-1] == "Human":
        raise RowError("broken-transcript", message("`{key}` ends in an empty 'Human:'", key=key))
    return tuple(
        Message("user" if name == "Human" else "assistant", content)
        for name, content in zip(names, contents, strict=True)
    )


def _type(value: object) -> str:
    names = {
        "NoneType": "missing",
        "str": "text",
        "dict": "an object",
        "list": "a list",
        "bool": "true or false",
    }
    return names.get(type(value).__name__, f"a {type(value).__name__}")
