"""Every on-disk format of a row, in one table: how to recognise it and how to read it into a `Record`.

To add one, write `parse(row) -> Record` that raises `RowError` for a row it cannot use, and give it a
line in `FORMATS`: the keys it needs (alternatives joined by `|`) and, where two formats need the same
keys, a `shape` that tells them apart. `detect` prefers the format that needs more keys. `system`,
`margin` and `category` are carried over for all formats; responses are listed best first.
"""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from truing.core.records import Message, Record, Response
from truing.data.rows import RowError, excerpt
from truing.data.turns import (
    Turns,
    as_messages,
    as_prompt,
    as_response,
    as_text,
    check_order,
    check_prompt,
    has_role,
    is_messages,
    split_first,
    split_last,
    split_pair,
    transcript,
)

Row = dict
PROMPT = "prompt|question|query"
ANSWER = "completion|response|answer"
LABEL = "label|kto_tag"
LABELS = {"true": True, "1": True, "1.0": True, "good": True, "desirable": True} | {
    "false": False, "0": False, "0.0": False, "bad": False, "undesirable": False,
}  # fmt: skip


@dataclass(frozen=True)
class Format:
    """One way to write a row."""

    name: str
    title: str
    needs: tuple[str, ...]  # keys that must be present; "a|b" means one of them
    parse: Callable[[Row], Record]
    shape: Callable[[Row], bool] = lambda row: True

    def missing(self, row: Row) -> list[str]:
        """The needed keys that a row lacks, each by its first name."""
        return [need.split("|")[0] for need in self.needs if not present(row, need)]

    def matches(self, row: Row) -> bool:
        return not self.missing(row) and self.shape(row)

    def read(self, row: Row) -> Record:
        """The row as a record without a place, or `RowError`."""
        missing = self.missing(row)
        if missing:
            keys = excerpt(", ".join(row))
            raise RowError(f"missing-{missing[0].replace('_', '-')}", f"no `{missing[0]}` among the keys {keys}")
        record = self.parse(row)
        system = row.get("system")
        if isinstance(system, str) and system.strip() and record.prompt and record.prompt[0].role != "system":
            record = replace(record, prompt=(Message("system", system), *record.prompt))
        return replace(record, margin=number(row, "margin"), category=_category(row))


def present(row: Row, need: str) -> str | None:
    """The first of the alternatives `a|b` that a row has and that is not null."""
    return next((key for key in need.split("|") if row.get(key) is not None), None)


def value_of(row: Row, need: str) -> object:
    key = present(row, need)
    return None if key is None else row[key]


def number(row: Row, key: str) -> float | None:
    """A finite number, also from the text of a CSV cell; None where the key is absent or blank."""
    value = row.get(key)
    return None if value is None or value == "" else _finite(value, key)


def _finite(value: object, key: str) -> float:
    if isinstance(value, str | int | float) and not isinstance(value, bool):
        try:
            result = float(value)
        except (ValueError, OverflowError):
            result = math.nan
        if math.isfinite(result):
            return result
    raise RowError("bad-number", f"`{key}` is {excerpt(value)}, expected a finite number")


def _category(row: Row) -> str | None:
    value = row.get("category")
    return value if isinstance(value, str) and value else None


def _label(row: Row) -> bool:
    value = value_of(row, LABEL)
    key = str(value).strip().lower()
    if not isinstance(value, bool | int | float | str) or key not in LABELS:
        raise RowError("bad-label", f"label is {excerpt(value)}, expected true/false, 1/0 or good/bad")
    return LABELS[key]


def _list(row: Row, key: str) -> list:
    value = row[key]
    if not isinstance(value, list):
        raise RowError("wrong-type", f"`{key}` is {type(value).__name__}, expected a list")
    return value


def _pair(prompt: Turns, chosen: Response, rejected: Response) -> Record:
    if chosen.turns == rejected.turns:
        raise RowError("identical-pair", f"chosen and rejected are the same: {excerpt(chosen.text)}")
    return Record(prompt, (chosen, rejected))


def _ranked(prompt: Turns, responses: list[Response], worse: list[float], key: str) -> Record:
    """Responses in the order of `worse` (smallest first); equal values share a rank."""
    if len(responses) < 2 or len(worse) != len(responses):
        raise RowError(f"{key}-length", f"{len(responses)} responses and {len(worse)} values in `{key}`")
    levels = sorted(set(worse))
    if len(levels) == 1:
        raise RowError("tied-sort", f"all responses have the same value in `{key}`")
    ordered = sorted(zip(worse, responses, strict=True), key=lambda item: item[0])
    ranked = [replace(response, rank=levels.index(value)) for value, response in ordered]
    if len({response.turns for response in ranked}) != len(ranked):
        raise RowError("identical-pair", "the same response stands twice in one row")
    return Record(prompt, tuple(ranked))


def _interleaved(row: Row) -> Turns:
    """PaddleNLP's `src` (user) and `tgt` (assistant) as turns, in the order they were said."""
    sides = [[row[key]] if isinstance(row[key], str) else _list(row, key) for key in ("src", "tgt")]
    turns: list[Message] = []
    for index in range(max(map(len, sides))):
        for role, side, key in zip(("user", "assistant"), sides, ("src", "tgt"), strict=True):
            turns += [Message(role, as_text(text, key)) for text in side[index : index + 1]]
    return tuple(turns)


def paddle_sft(row: Row) -> Record:
    turns = _interleaved(row)
    prompt, response = split_first(turns, "src/tgt")
    return Record(prompt, (response,))


def paddle_preference(row: Row) -> Record:
    src, tgt, sort = (_list(row, key) if key == "sort" or not isinstance(row[key], str) else [row[key]] for key in ("src", "tgt", "sort"))
    if len(src) != len(tgt) + 1:
        raise RowError("src-tgt-length", f"{len(src)} in `src` and {len(tgt)} in `tgt`; `src` has one more")
    responses = [as_response(text, f"response[{index}]") for index, text in enumerate(_list(row, "response"))]
    worse = [-_finite(value, "sort") for value in sort]
    if len(set(worse)) != len(worse):
        raise RowError("tied-sort", f"`sort` {excerpt(sort)} has a tie; every response needs its own value")
    return _ranked(check_prompt(_interleaved(row), "src/tgt"), responses, worse, "sort")


def _alpaca_prompt(row: Row) -> Turns:
    parts = [as_text(value, key) for key in ("instruction", "input") if (value := row.get(key)) is not None]
    turns: list[Message] = []
    for exchange in row.get("history") or []:
        if not isinstance(exchange, list) or len(exchange) != 2:
            raise RowError("wrong-type", "`history` is a list of [question, answer]")
        turns += [Message(role, as_text(text, "history")) for role, text in zip(("user", "assistant"), exchange, strict=True)]
    turns.append(Message("user", "\n".join(part for part in parts if part.strip())))
    return check_prompt(tuple(turns), "instruction")


def alpaca(row: Row) -> Record:
    return Record(_alpaca_prompt(row), (as_response(as_text(row["output"], "output"), "output"),))


def alpaca_preference(row: Row) -> Record:
    return _pair(_alpaca_prompt(row), as_response(row["chosen"], "chosen"), as_response(row["rejected"], "rejected"))


def preference(row: Row) -> Record:
    """Text or messages; where chosen and rejected are whole conversations they hold the prompt themselves."""
    if all(is_messages(row[key]) and has_role(row[key], "user") for key in ("chosen", "rejected")):
        return _scored_pair(row, implicit_preference(row))
    if type(row["chosen"]) is not type(row["rejected"]):
        raise RowError("wrong-type", "one of chosen and rejected is text, the other is not")
    prompt = as_prompt(value_of(row, PROMPT), "prompt")
    return _scored_pair(row, _pair(prompt, as_response(row["chosen"], "chosen"), as_response(row["rejected"], "rejected")))


def _scored_pair(row: Row, record: Record) -> Record:
    scores = number(row, "score_chosen"), number(row, "score_rejected")
    responses = tuple(replace(each, score=score) for each, score in zip(record.responses, scores, strict=True))
    return replace(record, responses=responses)


def implicit_preference(row: Row) -> Record:
    chosen, rejected = (as_messages(row[key], key) for key in ("chosen", "rejected"))
    return Record(*_flat(split_pair(chosen, rejected)))


def hh_rlhf(row: Row) -> Record:
    chosen, rejected = (transcript(as_text(row[key], key), key) for key in ("chosen", "rejected"))
    return Record(*_flat(split_pair(chosen, rejected)))


def _flat(parts: tuple[Turns, Response, Response]) -> tuple[Turns, tuple[Response, ...]]:
    return parts[0], parts[1:]
