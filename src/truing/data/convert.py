"""Records back into rows, in the formats that other tools read.

To add a target, write `(record, plain) -> rows` and give it a line in `WRITERS`. `plain` is true where
every record is one user turn and single assistant turns: then prompts and responses are written as
text, else all of them as messages, so that a column has one type in the whole file.

Columns that the record is not made of go along as they are. One whose name means something to a format is
written as `NAME_unread`, so that the new file is not read as something else.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from truing.core.errors import DataError, StorageError, UsageError
from truing.core.files import json_line, write_atomic
from truing.core.records import Kind, Message, Record, Response
from truing.data.formats import ALWAYS, FORMATS, SCORE
from truing.data.frames import without_nan

SHAREGPT_ROLES = {"system": "system", "user": "human", "assistant": "gpt", "tool": "observation"}


MEANT = {key for each in FORMATS.values() for need in each.needs for key in need.split("|")}
MEANT |= {*ALWAYS, *SCORE.split("|")}  # keys that a format reads


@dataclass(frozen=True)
class Writer:
    """A target format: which kinds of record it can hold, and a record's rows in it."""

    kinds: tuple[Kind, ...]
    rows: Callable[[Record, bool], list[dict]]


def convert(records: Iterable[Record], name: str, formats: Sequence[str] = ()) -> Iterator[dict]:
    """The rows of all records in the format `name`; a preference pair is two rows of "unpaired".

    `formats` names the format of each source; without it no further column goes along. Raises `UsageError`
    for an unknown format and `DataError` for a record that does not fit it, before the first row is yielded.
    """
    if name not in WRITERS:
        raise UsageError(f"cannot write {name!r}", hint=f"formats to write are {', '.join(WRITERS)}")
    writer, kept = WRITERS[name], list(records)
    for record in kept:
        _check_fits(record, name, writer)
    plain = all(map(_is_plain, kept))
    return (
        _without_none(row) | _beside(record, row, formats)
        for record in kept
        for row in writer.rows(record, plain)
    )


def _beside(record: Record, written: dict, formats: Sequence[str]) -> dict:
    """The columns of a record's row that what is written does not hold."""
    if not formats:
        return {}
    read = FORMATS[formats[record.source]].reads(dict(record.columns))
    left = {key: without_nan(value) for key, value in record.columns.items() if key not in read}
    known = MEANT | written.keys()
    return {
        f"{key}_unread" if key in known else key: value for key, value in left.items() if value is not None
    }


def write_jsonl(path: Path, rows: Iterable[dict]) -> int:
    """Write one object a line and return their number; the file appears whole or not at all."""
    lines = [json_line(row) for row in rows]
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StorageError(f"{path.parent} cannot be made: {error.strerror}") from error
    write_atomic(path, b"".join(lines))
    return len(lines)


def _check_fits(record: Record, name: str, writer: Writer) -> None:
    if record.kind not in writer.kinds:
        takes = ", ".join(writer.kinds)
        others = ", ".join(each for each, other in WRITERS.items() if record.kind in other.kinds)
        raise DataError(
            f"{record.place or 'a record'}: a {record.kind} record does not fit {name}, which takes {takes}",
            hint=f"{record.kind} records fit {others}",
        )
    if not record.prompt:
        raise DataError(f"{record.place or 'a record'}: plain text without a prompt does not fit {name}")


def _is_plain(record: Record) -> bool:
    turns = [record.prompt, *(response.turns for response in record.responses)]
    return all(len(each) == 1 for each in turns) and record.prompt[0].role == "user"


def _without_none(row: dict) -> dict:
    return {key: value for key, value in row.items() if value is not None}


def _extras(record: Record) -> dict:
    return {"margin": record.margin, "category": record.category}


def _chat(turns: Iterable[Message]) -> list[dict]:
    return [{"role": turn.role, "content": turn.content} for turn in turns]


def _side(turns: tuple[Message, ...], plain: bool) -> str | list[dict]:
    return turns[0].content if plain else _chat(turns)


def _messages(record: Record, plain: bool) -> list[dict]:
    best = record.responses[0] if record.responses else None
    row = {"messages": _chat((*record.prompt, *(best.turns if best else ()))), **_extras(record)}
    if best and record.kind is Kind.UNPAIRED:
        row["label"] = best.label
    if best and record.kind is Kind.DEMONSTRATION:
        row["score"] = best.score
    if record.kind is Kind.PREFERENCE:
        row["rejected_messages"] = _chat((*record.prompt, *record.rejected.turns))
    return [row]


def _prompt(record: Record, plain: bool) -> list[dict]:
    return [{"prompt": _side(record.prompt, plain), "category": record.category}]


def _prompt_completion(record: Record, plain: bool) -> list[dict]:
    completion = _side(record.chosen.turns, plain)
    scored = {"score": record.chosen.score, **_extras(record)}
    return [{"prompt": _side(record.prompt, plain), "completion": completion, **scored}]


def _responses(record: Record, plain: bool) -> list[dict]:
    """All responses, with their scores where each has one, and else in their order."""
    row = {
        "prompt": _side(record.prompt, plain),
        "responses": [_side(r.turns, plain) for r in record.responses],
    }
    scores = [response.score for response in record.responses]
    if None not in scores:
        return [{**row, "scores": scores, **_extras(record)}]
    ranks = [place if one.rank is None else one.rank for place, one in enumerate(record.responses)]
    return [{**row, "ranks": ranks, **_extras(record)}]


def _preference(record: Record, plain: bool) -> list[dict]:
    sides = {"chosen": _side(record.chosen.turns, plain), "rejected": _side(record.rejected.turns, plain)}
    scores = {"score_chosen": record.chosen.score, "score_rejected": record.rejected.score}
    return [{"prompt": _side(record.prompt, plain), **sides, **scores, **_extras(record)}]


def _unpaired(record: Record, plain: bool) -> list[dict]:
    labels = [record.chosen.label] if record.kind is Kind.UNPAIRED else [True, False]
    prompt = _side(record.prompt, plain)
    return [
        {
            "prompt": prompt,
            "completion": _side(response.turns, plain),
            "label": label,
            "category": record.category,
        }
        for response, label in zip(record.responses, labels, strict=True)
    ]


def _paddle(record: Record, plain: bool) -> list[dict]:
    system, turns = _take_system(record)
    demonstration = record.kind is Kind.DEMONSTRATION
    if demonstration:
        turns += record.chosen.turns
    by_role = {role: [turn.content for turn in turns if turn.role == role] for role in ("user", "assistant")}
    if any(turn.role == "tool" for turn in turns):
        raise DataError(f"{record.place or 'a record'}: paddle rows cannot hold tool turns")
    row = {"src": by_role["user"], "tgt": by_role["assistant"], "system": system, **_extras(record)}
    if demonstration and plain:
        return [{**row, "src": row["src"][0], "tgt": row["tgt"][0]}]
    if not demonstration:
        row["response"] = [_only_turn(record, response) for response in record.responses]
        row["sort"] = _sort_values(record)
    return [row]


def _sort_values(record: Record) -> list[int]:
    """Larger is better, no ties: PaddleNLP refuses them."""
    ranks = [response.rank for response in record.responses]
    if None not in ranks and len(set(ranks)) != len(ranks):
        raise DataError(f"{record.place or 'a record'}: two responses share a rank; paddle rows have no ties")
    return list(range(len(ranks) - 1, -1, -1))


def _only_turn(record: Record, response: Response) -> str:
    if len(response.turns) != 1:
        raise DataError(
            f"{record.place or 'a record'}: a paddle response is one turn, this has {len(response.turns)}"
        )
    return response.turns[0].content


def _take_system(record: Record) -> tuple[str | None, tuple[Message, ...]]:
    if record.prompt[0].role == "system":
        return record.prompt[0].content, record.prompt[1:]
    return None, record.prompt


def _sharegpt(record: Record, plain: bool) -> list[dict]:
    turns = list(record.prompt)
    row: dict = {}
    if record.kind is Kind.PREFERENCE:
        sides = (("chosen", record.chosen), ("rejected", record.rejected))
        row = {key: _sharegpt_turn(Message("assistant", _only_turn(record, each))) for key, each in sides}
    elif record.responses:
        turns += record.chosen.turns
        row = {"label": record.chosen.label}
    return [{"conversations": [_sharegpt_turn(turn) for turn in turns], **row, **_extras(record)}]


def _sharegpt_turn(turn: Message) -> dict:
    return {"from": SHAREGPT_ROLES[turn.role], "value": turn.content}


WRITERS: dict[str, Writer] = {
    "messages": Writer((Kind.PROMPT, Kind.DEMONSTRATION, Kind.UNPAIRED, Kind.PREFERENCE), _messages),
    "prompt-completion": Writer((Kind.DEMONSTRATION,), _prompt_completion),
    "preference": Writer((Kind.PREFERENCE, Kind.RANKING), _preference),
    "responses": Writer((Kind.PREFERENCE, Kind.RANKING), _responses),
    "unpaired": Writer((Kind.UNPAIRED, Kind.PREFERENCE), _unpaired),
    "paddle": Writer((Kind.DEMONSTRATION, Kind.PREFERENCE, Kind.RANKING), _paddle),
    "sharegpt": Writer((Kind.PROMPT, Kind.DEMONSTRATION, Kind.UNPAIRED, Kind.PREFERENCE), _sharegpt),
    "prompt": Writer(tuple(Kind), _prompt),
}
