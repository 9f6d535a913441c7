"""Read conversations as `Message`s: names of roles and keys, the order of turns, the end of a prompt.

Every function takes a value straight from a row and either returns messages that make sense or raises
`RowError`. To accept another name for a role, add a line to `ROLE_NAMES`.
"""

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from truing.core.messages import message
from truing.core.records import Message, Response, Turns, as_json
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
# A turn's own words of a call, in ShareGPT's way to write one.
CALLER = "function_call"
# What templates read of a turn beside its words.
CARRIED = (
    "reasoning_content", "thinking", "reasoning", "tool_calls", "function_call", "name", "tool_call_id",
)  # fmt: skip
SPEECHLESS = {*CARRIED} - {"name", "tool_call_id"}  # an assistant turn with one of these may have no words
# Zero or false under one of these: the turn is not to be learnt. OpenAI, ms-swift, axolotl, verl.
LOSS_FLAGS = ("weight", "loss", "train", "trainable")
# Marks of parts of a turn, or of a turn that goes on, which nothing here can obey.
UNREADABLE = ("train_detail", "loss_mask", "loss_scale", "mask", "prefix")
MEDIA = ("images", "image", "videos", "video", "audios", "audio")
SPEAKER = re.compile(r"\n\n(Human|Assistant):")


def as_text(value: object, key: str) -> str:
    """Return a string, or the joined text parts of an OpenAI content list."""
    if isinstance(value, str):
        return value
    if isinstance(value, list) and value and all(isinstance(part, dict) for part in value):
        texts = [part.get("text") for part in value if part.get("type") == "text"]
        if len(texts) == len(value) and all(isinstance(text, str) for text in texts):
            return "".join(texts)
        raise RowError("not-text", message("`{key}` holds parts that are not text, such as images", key=key))
    raise RowError("wrong-type", message("`{key}` is {kind}, expected text", key=key, kind=_type(value)))


def as_messages(value: object, key: str) -> Turns:
    """Read a list of messages, or one message; blank system turns are dropped, the order is not checked."""
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
    refuse_media(item, key)
    for flag in UNREADABLE:
        if item.get(flag):
            raise unread_key(flag, key)
    read: dict[str, Any] = {name: item[name] for name in CARRIED if item.get(name) not in (None, [], {})}
    if isinstance(read.get("tool_calls"), str):
        read["tool_calls"] = decoded(read["tool_calls"], f"{key}.tool_calls")
    if name.lower() == CALLER and (calls := _calls(content)):
        read["tool_calls"], content = calls, None
    if content is None and SPEECHLESS & read.keys():
        read["content"], content = None, ""
    known = (*CARRIED, "role", "from", "content", "value")
    rest = {k: v for k, v in item.items() if v is not None and k not in known}
    role = ROLE_NAMES[name.lower()]
    learnt = [_learnt(item, flag, key) for flag in LOSS_FLAGS]  # each is read, and may be refused
    scored = role != "assistant" or all(learnt)
    return Message(role, as_text(content, key), as_json(read), scored, as_json(rest))


def _calls(content: object) -> list[dict] | None:
    """Read the calls that ShareGPT writes as JSON in a turn's words; None for words that are no calls."""
    try:
        found = json.loads(content) if isinstance(content, str) else None
    except ValueError:
        return None
    calls = found if isinstance(found, list) else [found]
    if not all(isinstance(call, dict) and {"name", "arguments"} <= call.keys() for call in calls):
        return None
    return [{"type": "function", "function": call} for call in calls]


def _learnt(item: Mapping[str, object], flag: str, key: str) -> bool:
    """Tell whether a turn's flag leaves it to be learnt; a weight between 0 and 1 cannot be obeyed."""
    value = item.get(flag)
    if value is None or isinstance(value, bool):
        return value is not False
    if value in (0, 1, "0", "1", "0.0", "1.0"):
        return float(str(value)) == 1
    if str(value).lower() in ("true", "false"):
        return str(value).lower() == "true"
    raise unread_key(flag, key)


def refuse_media(item: Mapping[str, object], where: str) -> None:
    """Raise RowError where a row or a turn has pictures, video or sound beside its text."""
    for key in MEDIA:
        value = item.get(key) if key in item else None
        if value is not None and value == value and value not in ("", [], {}):
            said = "{where}has `{key}`, and text alone is read"
            raise RowError("not-text", message(said, where=f"`{where}` " if where else "", key=key))


def unread_key(key: str, where: str) -> RowError:
    """Make the refusal of a row for a key that changes its meaning and that nothing reads."""
    return RowError(
        unread_code(key), message("`{where}` has `{key}`, which is not read", where=where, key=key)
    )


def unread_code(key: str) -> str:
    """Return the code under which rows with an unread key are set aside."""
    return f"unread-{key.replace('_', '-')}"


def decoded(text: str, key: str) -> Any:
    """Return the value that a column holds as JSON text. Raises `RowError` for text that is not JSON."""
    try:
        return json.loads(text) if text.strip() else None
    except ValueError:
        said = message("`{key}` is not JSON: {value}", key=key, value=excerpt(text))
        raise RowError(unread_code(key.rpartition(".")[2]), said) from None


def is_messages(value: object) -> bool:
    """Tell whether a value looks like a list of messages; this tells formats apart and judges no row."""
    return (
        isinstance(value, list)
        and bool(value)
        and all(isinstance(item, dict) and {"role", "from"} & item.keys() for item in value)
    )


def has_role(value: object, role: str) -> bool:
    """Tell whether any message of a list is by `role`, under any of the role's names."""
    items = value if isinstance(value, list) else []
    names = [item.get("role", item.get("from")) for item in items if isinstance(item, dict)]
    return any(ROLE_NAMES.get(str(name).lower()) == role for name in names)


def check_turns(turns: Turns, key: str) -> Turns:
    """Return `turns` if none is blank, else raise `RowError`. The chat template judges their order."""
    for index, turn in enumerate(turns):
        if turn.content.strip() or (turn.role == "assistant" and SPEECHLESS & turn.more.keys()):
            continue
        code = {"assistant": "empty-response", "user": "empty-prompt"}.get(turn.role, "empty-turn")
        said = "`{key}` turn {number}: the {role} says nothing"
        raise RowError(code, message(said, key=key, number=index + 1, role=turn.role))
    return turns


def check_prompt(turns: Turns, key: str) -> Turns:
    """Return `turns` if they wait for an answer, else raise `RowError`."""
    check_turns(turns, key)
    if not turns or turns[-1].role == "assistant":
        raise RowError(
            "role-order", message("`{key}` has to end with a turn that the assistant can answer", key=key)
        )
    return turns


def as_prompt(value: object, key: str) -> Turns:
    """Read a prompt in text, as messages, or as an HH-RLHF transcript that ends with `Assistant:`."""
    if not isinstance(value, str):
        return check_prompt(as_messages(value, key), key)
    if value.startswith("\n\nHuman:") and value.rstrip().endswith("\n\nAssistant:"):
        return check_prompt(transcript(value.rstrip().removesuffix("Assistant:"), key), key)
    return check_prompt((Message("user", value),), key)


def as_response(value: object, key: str, **fields: object) -> Response:
    """Read a response in text or as messages that start and end with the assistant."""
    turns = (Message("assistant", value),) if isinstance(value, str) else as_messages(value, key)
    check_turns(turns, key)
    return response(turns, key, **fields)


def response(turns: Turns, key: str, **fields: object) -> Response:
    """Make a `Response` of turns that start and end with the assistant."""
    if not turns or turns[0].role != "assistant" or turns[-1].role != "assistant":
        raise RowError(
            "missing-response", message("`{key}` has to end with what the assistant said", key=key)
        )
    return _learnable(turns, key, **fields)


def _learnable(turns: Turns, key: str, **fields: object) -> Response:
    if not any(turn.scored for turn in turns if turn.role == "assistant"):
        flags = ", ".join(LOSS_FLAGS)
        said = "`{key}`: its flags ({flags}) leave no assistant turn to learn"
        raise RowError("nothing-to-learn", message(said, key=key, flags=flags))
    return Response(turns, **fields)  # pyright: ignore[reportArgumentType]


def split_first(turns: Turns, key: str) -> tuple[Turns, Response]:
    """Cut a conversation before its first answer, so that every assistant turn from there on is learnt.

    A greeting before anybody has spoken belongs to the prompt. Turns after the last answer stay in the
    response without being learnt.
    """
    check_turns(turns, key)
    spoken = [index for index, turn in enumerate(turns) if turn.role == "assistant"]
    if not spoken:
        return turns, response((), key)
    asked = next((index for index, turn in enumerate(turns) if turn.role in ("user", "tool")), 0)
    cut = next((index for index in spoken if index > asked), spoken[0])
    return turns[:cut], _learnable(turns[cut:], key)


def split_last(turns: Turns, key: str, **fields: object) -> tuple[Turns, Response]:
    """Cut a conversation before its last turn: the opinion in the row is about that turn alone."""
    check_turns(turns, key)
    return turns[:-1], response(turns[-1:], key, **fields)


def split_pair(chosen: Turns, rejected: Turns) -> tuple[Turns, tuple[Response, Response]]:
    """Cut two whole conversations where they part: the common beginning is the prompt."""
    check_turns(chosen, "chosen")
    check_turns(rejected, "rejected")
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
    """Read an HH-RLHF transcript, `\\n\\nHuman: …\\n\\nAssistant: …`, as turns without outer white space."""
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
