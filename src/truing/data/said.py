"""The pieces of a turn's speech, and the search for a piece in a text.

Templates may move the white space around words, move a thought from its tags to their own tags, and spell
words as JSON. Any other change of words counts as a loss of words.
"""

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from truing.core.records import Message
from truing.data.refusals import Refusal, TurnsError

# An assistant's turn may hold these as tokens. No end and no turn is among them.
THINK_TAGS = (
    ("<think>", "</think>"), ("<thinking>", "</thinking>"), ("<thought>", "</thought>"),
    ("<reasoning>", "</reasoning>"), ("[THINK]", "[/THINK]"), ("<|begin_of_thought|>", "<|end_of_thought|>"),
    ("<|START_THINKING|>", "<|END_THINKING|>"),
)  # fmt: skip
TOOL_TAGS = (
    "<tool_call>", "</tool_call>", "<tool_calls>", "</tool_calls>", "<function_call>", "</function_call>",
    "<arg_key>", "</arg_key>", "<arg_value>", "</arg_value>", "<|tool_call|>", "<|/tool_call|>",
    "<|python_tag|>", "[TOOL_CALLS]", "<|START_ACTION|>", "<|END_ACTION|>",
    "<|tool_calls_section_begin|>", "<|tool_calls_section_end|>", "<|tool_call_begin|>",
    "<|tool_call_argument_begin|>", "<|tool_call_end|>", "<｜tool▁calls▁begin｜>", "<｜tool▁calls▁end｜>",
    "<｜tool▁call▁begin｜>", "<｜tool▁call▁end｜>", "<｜tool▁sep｜>",
)  # fmt: skip
OWN_TAGS = frozenset(tag for pair in THINK_TAGS for tag in pair) | frozenset(TOOL_TAGS)
THOUGHT_KEYS = ("reasoning_content", "thinking", "reasoning")
CALL_KEYS = ("tool_calls", "function_call")
_TAG = re.compile("|".join(re.escape(tag) for tag in sorted(OWN_TAGS, key=len, reverse=True)))
_CLOSING = re.compile("|".join(re.escape(close) for _, close in THINK_TAGS))
EMPTY_THOUGHT = re.compile(
    r"\s*(?:" + "|".join(rf"{re.escape(a)}\s*{re.escape(b)}" for a, b in THINK_TAGS) + r")\s*"
)


@dataclass(frozen=True, slots=True)
class Said:
    """One turn in pieces: its thoughts, its words, and the strings in its calls."""

    thoughts: tuple[str, ...]
    words: tuple[str, ...]
    calls: tuple[str, ...]

    @staticmethod
    @lru_cache(maxsize=64)  # the turns of one record are asked for again and again
    def of(turn: Message) -> "Said":
        """Cut a turn into pieces; a turn by anybody but the assistant is words alone."""
        if turn.role != "assistant" or not (turn.extras or _TAG.search(turn.content)):
            return Said((), tuple(_solid([turn.content])), ())
        thought, words = split_thought(turn.content)
        more = turn.more
        thoughts = [more[key] for key in THOUGHT_KEYS if isinstance(more.get(key), str)]
        calls = (string for key in CALL_KEYS for string in _strings(more.get(key), skip=("id", "type")))
        return Said(
            tuple(_solid([*thoughts, *_TAG.split(thought)])),
            tuple(_solid(_TAG.split(words))),
            tuple(_solid(calls)),
        )


def split_thought(content: str) -> tuple[str, str]:
    """Split an assistant's words after the last tag that closes a thought."""
    ends = [match.end() for match in _CLOSING.finditer(content)]
    return (content[: ends[-1]], content[ends[-1] :]) if ends else ("", content)


def _solid(texts: Iterable[str]) -> Iterator[str]:
    return (text.strip() for text in texts if text.strip())


def _strings(value: Any, skip: Sequence[str] = ()) -> Iterator[str]:
    """Yield the strings in a call, also in arguments that are JSON text; numbers have many spellings."""
    if isinstance(value, dict):
        for key, one in value.items():
            if key not in skip:
                yield from _strings(one, skip)
    elif isinstance(value, list):
        for one in value:
            yield from _strings(one, skip)
    elif isinstance(value, str):
        try:
            inner = json.loads(value)
        except ValueError:
            inner = None
        if isinstance(inner, dict | list):
            yield from _strings(inner)
        else:
            yield value


def find(text: str, piece: str, start: int = 0) -> tuple[int, int] | None:
    """Find start and end of `piece` in `text` from `start` on, as it is or as JSON spells it; else None."""
    spelled = piece
    for _ in range(3):
        if (at := text.find(spelled, start)) >= 0:
            return at, at + len(spelled)
        spelled = json.dumps(spelled, ensure_ascii=False)[1:-1]
    return None


def require_words(text: str, turns: Sequence[Message]) -> None:
    """Raise TurnsError where `text` lacks the words or a call of a turn.

    Words must come in the order of the turns, except a system turn's: some templates write it before the last
    user turn. Thoughts are not required here: templates cut earlier thoughts on purpose.
    """
    at, equal = 0, [Said.of(turn) for turn in turns]
    for index, (turn, said) in enumerate(zip(turns, equal, strict=True)):
        name = f"turn {index + 1} ({turn.role})"
        for piece in said.words:
            found = find(text, piece, 0 if turn.role == "system" else at)
            same = sum(piece in other.words for other in equal[: index + 1]) if turn.role == "system" else 1
            if found is None or (same > 1 and text.count(text[slice(*found)]) < same):
                raise TurnsError(Refusal.DROPS, f"the template leaves out words of {name}")
            at = at if turn.role == "system" else found[1]
        for piece in said.calls:
            if find(text, piece) is None:
                raise TurnsError(Refusal.DROPS, f"the template leaves out the call of {name}")
