"""Records back into rows, in the formats that other tools read.

Nothing is lost: turns keep all their keys, and rows keep the values for the template and the columns that
nothing read. An unread column whose name means something to a format is written as `NAME_unread`, so that
the new file is not read as another format. A record that the target cannot hold is refused.

To add a target, write `(record, plain) -> rows` and give it a line in `WRITERS`. `plain` is true where
every record is one user turn and single assistant turns: then prompts and responses are written as
text, else all of them as messages, so that a column has one type in the whole file.
"""

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from truing.config.tables import find
from truing.core.errors import DataError, StorageError, UsageError
from truing.core.files import json_line, write_atomic
from truing.core.records import Kind, Message, Record, Response
from truing.data.columns import ARGUMENTS, GIVEN
from truing.data.formats import ALWAYS, FORMATS, SCORE
from truing.data.frames import without_nan
from truing.data.opinions import PROBABILITY

SHAREGPT_ROLES = {"system": "system", "user": "human", "assistant": "gpt", "tool": "observation"}
MEANT = {key for each in FORMATS.values() for need in each.needs for key in need.split("|")}
MEANT |= {*ALWAYS, *SCORE.split("|")}  # keys that a format reads


@dataclass(frozen=True)
class Writer:
    """A target format: the kinds of record it can hold, and a record's rows in it."""

    kinds: tuple[Kind, ...]
    rows: Callable[[Record, bool], list[dict]]


def find_writer(name: str) -> Writer:
    """Return the target of that name. Raises `UsageError` for a format that cannot be written."""
    return find("format to write", WRITERS, name, error=UsageError)


def convert(records: Iterable[Record], name: str) -> Iterator[dict]:
    """The rows of all records in the format `name`; a preference pair is two rows of "unpaired".

    Raises `UsageError` for an unknown format and `DataError` for a record that does not fit it, before
    the first row is yielded.
    """
    writer, kept = find_writer(name), list(records)
    for record in kept:
        _check_fits(record, name, writer)
    plain = all(map(_is_plain, kept))
    return (_whole(record, row) for record in kept for row in writer.rows(record, plain))


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
    if name == "unpaired" and record.probability not in (None, 1):
        raise DataError(
            f"{record.place or 'a record'}: a pair with the probability {record.probability:g} does not fit "
            "unpaired, whose labels are true or false",
            hint="convert it to preference, or leave such pairs out",
        )
    if not record.prompt:
        raise DataError(f"{record.place or 'a record'}: plain text without a prompt does not fit {name}")


def _is_plain(record: Record) -> bool:
    turns = [record.prompt, *(response.turns for response in record.responses)]
    bare = not any(turn.extras or turn.unread for each in turns for turn in each)
    return bare and all(len(each) == 1 for each in turns) and record.prompt[0].role == "user"


def _whole(record: Record, row: dict) -> dict:
    """Add to a row its record's values beside the turns; keys that the format writes itself win."""
    given = json.loads(record.given) if record.given else {}
    arguments = {key: given.pop(key) for key in [*given] if key not in GIVEN}
    known = MEANT | row.keys()
    left = {key: without_nan(record.columns[key]) for key in record.unread}
    rest = {f"{key}_unread" if key in known else key: value for key, value in left.items()}
    found = {**rest, ARGUMENTS: arguments or None, **given, **row}
    return {key: value for key, value in found.items() if value is not None}


def _of_prompt(record: Record) -> dict:
    return {"category": record.category, "rubric": [asdict(item) for item in record.rubric] or None}


def _extras(record: Record) -> dict:
    return {"margin": record.margin, PROBABILITY[0]: record.probability, **_of_prompt(record)}


def _chat(turns: Iterable[Message]) -> list[dict]:
    return [turn.as_dict() for turn in turns]


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
    return [{"prompt": _side(record.prompt, plain), **_of_prompt(record)}]


def _prompt_completion(record: Record, plain: bool) -> list[dict]:
    completion = _side(record.chosen.turns, plain)
    scored = {"score": record.chosen.score, **_extras(record)}
    return [{"prompt": _side(record.prompt, plain), "completion": completion, **scored}]


def _responses(record: Record, plain: bool) -> list[dict]:
    """Make a row of all responses, with scores where every response has one, else with ranks."""
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
            **_of_prompt(record),
        }
        for response, label in zip(record.responses, labels, strict=True)
    ]


def _paddle(record: Record, plain: bool) -> list[dict]:
    system, turns = _take_system(record)
    demonstration = record.kind is Kind.DEMONSTRATION
    if demonstration:
        turns += record.chosen.turns
    if any(turn.extras or turn.unread for turn in turns):
        raise DataError(f"{record.place or 'a record'}: paddle rows hold no keys of turns beside their words")
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
    """Return one value per response, larger is better. Raises DataError for ties: PaddleNLP has none."""
    ranks = [response.rank for response in record.responses]
    if None not in ranks and len(set(ranks)) != len(ranks):
        raise DataError(f"{record.place or 'a record'}: two responses share a rank; paddle rows have no ties")
    return list(range(len(ranks) - 1, -1, -1))


def _only_turn(record: Record, response: Response) -> str:
    turn = response.turns[0]
    if len(response.turns) != 1 or turn.extras or turn.unread:
        raise DataError(
            f"{record.place or 'a record'}: here a response is one turn of words alone, this has "
            f"{len(response.turns)}, or other keys"
        )
    return turn.content


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
    said = turn.as_dict()
    return {"from": SHAREGPT_ROLES[said.pop("role")], "value": said.pop("content"), **said}


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
