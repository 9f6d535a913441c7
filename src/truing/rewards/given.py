"""Arguments of the user's own function: the whole batch, under the names that its signature asks for.

TRL's `prompts` and `completions` are text for rows whose prompt is text, and lists of messages for others.
Here they are messages, unless the function asks for text: `completions: list[str]`. Where TRL would have
given text, the messages raise an error when a function measures, searches or compares them as text. Without
the error such a function would score every response alike.
"""

import inspect
import re
from collections.abc import Callable, Collection, Sequence
from typing import Any, NoReturn, Self

from truing.core.errors import ConfigError
from truing.rewards.types import Item

BATCH = ("prompts", "responses", "completions")
ROW = ("reference", "category")
# Arguments that TRL gives and truing does not have.
ABSENT = {
    "completion_ids": "the token ids are not kept; `responses` holds the texts",
    "prompt_ids": "the token ids are not kept; `prompts` holds the turns",
    "trainer_state": "there is no trainer; the step and its rewards are in metrics.jsonl",
    "log_extra": "what a reward returns is logged as rewards/NAME/mean",
    "log_metric": "what a reward returns is logged as rewards/NAME/mean",
    "environments": "a response is one turn, and no environment is run",
}
SINGULAR = {"prompt": "prompts", "response": "responses", "completion": "completions"}


class TurnsAreNoTextError(TypeError):
    """A function took messages for text."""

    def in_the_function(self) -> Self:
        """Return this error with a traceback that ends in the function's own line."""
        line = last = self.__traceback__
        while line is not None:
            last = last if line.tb_frame.f_code.co_filename == __file__ else line
            line = line.tb_next
        if last is not None:
            last.tb_next = None
        return self


class GivenTurns(list):
    """Messages where TRL would have given text: they can be indexed and looped over, but not used as text."""

    def _refuse(self, *_: object, **__: object) -> NoReturn:
        raise TurnsAreNoTextError(
            "this is a list of messages and no text: take one[0]['content'] of each, ask for `responses`, "
            "which are texts, or annotate the argument as list[str]"
        )

    __len__ = __contains__ = __add__ = __mul__ = __format__ = __str__ = _refuse  # pyright: ignore[reportAssignmentType]
    count = index = _refuse
    __hash__ = None  # pyright: ignore[reportAssignmentType]

    def __bool__(self) -> bool:
        return True

    def __getattr__(self, name: str) -> NoReturn:
        if hasattr(str, name) and not name.startswith("__"):
            self._refuse()
        raise AttributeError(f"a list of messages has no {name!r}")

    def __eq__(self, other: object) -> bool:
        return self._refuse() if isinstance(other, str) else list.__eq__(self, other)  # pyright: ignore[reportReturnType]


def is_text(item: Item) -> bool:
    """Tell whether TRL would give text for a row: its prompt is no list of messages in the file."""
    return len(item.prompt) == 1 and not any(
        isinstance(item.columns.get(key), list) for key in ("prompt", "messages", "conversations", "query")
    )


def offered(items: Sequence[Item], texts: Collection[str] = ()) -> dict[str, list[Any]]:
    """Return every argument for a batch; `prompts` and `completions` are text where `texts` names them."""
    keys = dict.fromkeys(key for item in items for key in item.columns)
    columns = {key: [item.columns.get(key) for item in items] for key in keys}
    own = {"reference": [item.reference for item in items], "category": [item.category for item in items]}
    known = {key: values for key, values in own.items() if any(value is not None for value in values)}
    prompts = [[turn.as_dict() for turn in item.prompt] for item in items]
    responses = [item.response for item in items]
    completions = [[{"role": "assistant", "content": response}] for response in responses]
    plain = [is_text(item) for item in items]

    def turns(given: list[list[dict]]) -> list[list[dict]]:
        return [GivenTurns(one) if text else one for one, text in zip(given, plain, strict=True)]

    return {
        **columns,
        **known,
        "prompts": [one[-1]["content"] for one in prompts] if "prompts" in texts else turns(prompts),
        "responses": responses,
        "completions": responses if "completions" in texts else turns(completions),
    }


def texts_of(function: Callable[..., Any]) -> frozenset[str]:
    """Return the names among `prompts` and `completions` that a function annotates as texts."""
    parameters = inspect.signature(function).parameters
    asked = {
        name: str(parameters[name].annotation) for name in ("prompts", "completions") if name in parameters
    }
    return frozenset(name for name, kind in asked.items() if re.search(r"\[str\]|<class 'str'>\]", kind))


def required(function: Callable[..., Any], options: Collection[str]) -> list[str]:
    """List the arguments that a function needs and the recipe does not set."""
    return [
        one.name
        for one in inspect.signature(function).parameters.values()
        if one.default is one.empty
        and one.kind not in (one.VAR_KEYWORD, one.VAR_POSITIONAL)
        and one.name not in options
    ]


def require_given(name: str, asked: Sequence[str], columns: Collection[str]) -> None:
    """Raise ConfigError for an argument that no row and no option gives; `columns` are those of the rows."""
    known = {*BATCH, *ROW, *columns}
    for key in asked:
        if key in known:
            continue
        if key in ABSENT:
            raise ConfigError(f"the reward {name!r} asks for {key!r}, which is not given: {ABSENT[key]}")
        shown = ", ".join(sorted(columns)[:12]) or "none"
        plural = SINGULAR.get(key)
        hint = f"a function gets the whole batch: {plural}" if plural else "give the argument a default"
        raise ConfigError(
            f"the reward {name!r} asks for {key!r}, and no row has such a field; there are {shown}",
            hint=hint,
        )


def require_possible(name: str, asked: Sequence[str]) -> None:
    """Raise ConfigError for an argument that TRL gives and no row can have here."""
    require_given(name, [key for key in asked if key in ABSENT], ())
