"""Votes as a table for spreadsheets, one row for each vote, and back.

A spreadsheet takes a cell that begins with = + - @ or a tab for a formula, and runs it. Such cells get a
quote in front, which `read_table` takes away again.
"""

import csv
import io
import json
from collections.abc import Iterator, Sequence
from typing import Any

from truing.core.errors import DataError
from truing.core.messages import message
from truing.core.records import Message
from truing.store.answers import as_row, read_answer
from truing.store.exchange import VoteRow
from truing.store.items import Candidate, ItemPurpose, NewItem
from truing.store.settings import KIND_OF

FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "'")
# Columns of a vote; after them stand response_1, model_1, response_2, …
COLUMNS = (
    *("kind", "purpose", "person", "answer", "look", "order", "seconds", "comment", "flag"),
    *("prompt", "known", "row", "priority", "by_models", "responses"),
)


def safe_cell(text: str) -> str:
    """Return a text that no spreadsheet takes for a formula."""
    return f"'{text}" if text.startswith(FORMULA) else text


def plain_cell(text: str) -> str:
    """Return the text that `safe_cell` was given."""
    return text[1:] if text[:1] == "'" and text[1:].startswith(FORMULA) else text


def write_table(rows: Sequence[VoteRow]) -> bytes:
    """Return votes as CSV in UTF-8 with a mark at its begin, by which spreadsheets know the encoding."""
    most = max((len(row.item.responses) for row in rows), default=0)
    columns = [
        *COLUMNS,
        *(f"{name}_{n}" for n in range(1, most + 1) for name in ("response", "model", "meta")),
    ]
    out = io.StringIO()
    table = csv.DictWriter(out, columns, restval="", lineterminator="\r\n")
    table.writeheader()
    for row in rows:
        table.writerow({name: safe_cell(value) for name, value in _cells(row).items()})
    return out.getvalue().encode("utf-8-sig", "surrogatepass")


def _cells(row: VoteRow) -> dict[str, str]:
    item = row.item
    turns = item.prompt
    text = (
        len(turns) == 1
        and turns[0] == Message("user", turns[0].content)
        and not turns[0].content.startswith("[[")
    )
    cells = {
        "kind": item.kind or "",
        "purpose": item.purpose.value,
        "person": row.person or "",
        "answer": _json(as_row(row.answer)) if row.answer else "",
        "look": str(row.look) if row.answer else "",
        "order": " ".join(str(number + 1) for number in row.order),
        "seconds": "" if row.seconds is None else repr(row.seconds),
        "comment": row.comment,
        "flag": "1" if row.flag else "",
        "prompt": turns[0].content
        if text
        else _json([[each.role, each.content, each.extras] for each in turns]),
        "known": _json(as_row(item.gold)) if item.gold else "",
        "row": _json(item.row) if item.row else "",
        "priority": repr(item.priority) if item.priority else "",
        "by_models": "1" if item.by_models else "",
        "responses": str(len(item.responses)),
    }
    for number, each in enumerate(item.responses, 1):
        cells[f"response_{number}"] = each.text
        cells[f"model_{number}"] = "" if each.model is None else each.model
        cells[f"meta_{number}"] = _json(each.meta) if each.meta else ""
    return cells


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)


def read_table(data: bytes, name: str) -> Iterator[VoteRow]:
    """Yield the votes that `write_table` wrote. Raises DataError for another table and for a wrong cell."""
    csv.field_size_limit(1 << 30)
    table = csv.DictReader(io.StringIO(data.decode("utf-8-sig", "surrogatepass"), newline=""))
    missing = {"kind", "person", "answer", "prompt", "responses", "response_1"} - set(table.fieldnames or ())
    if missing:
        said = message("{name} lacks the columns {columns}", name=name, columns=", ".join(sorted(missing)))
        raise DataError(said, hint=message("give a table that `truing annotate export --format csv` wrote"))
    for number, cells in enumerate(table, 2):
        place = f"{name}:{number}"
        try:
            yield _vote({key: plain_cell(value) for key, value in cells.items() if key and value}, place)
        except (ValueError, KeyError, TypeError) as error:
            raise DataError(message("{place} is no vote: {error}", place=place, error=error)) from error


def _vote(cells: dict[str, str], place: str) -> VoteRow:
    candidates = tuple(
        Candidate(
            cells.get(f"response_{n}", ""),
            cells.get(f"model_{n}"),
            json.loads(cells.get(f"meta_{n}", "{}")),
        )
        for n in range(1, int(cells["responses"]) + 1)
    )
    prompt = cells.get("prompt", "")
    turns: list[list[str]] = json.loads(prompt) if prompt.startswith("[[") else [["user", prompt, ""]]
    gold: Any = json.loads(cells["known"]) if "known" in cells else None
    item = NewItem(
        tuple(Message(role, content, extras) for role, content, extras in turns),
        candidates,
        KIND_OF[cells["kind"]],
        ItemPurpose(cells.get("purpose", "real")),
        read_answer(gold) if gold else None,
        json.loads(cells.get("row", "{}")),
        float(cells.get("priority", "0")),
        cells.get("by_models") == "1",
    )
    return VoteRow(
        item=item,
        person=cells.get("person"),
        answer=read_answer(json.loads(cells["answer"])) if "answer" in cells else None,
        look=int(cells.get("look", "1")),
        order=tuple(int(number) - 1 for number in cells.get("order", "").split()),
        seconds=float(cells["seconds"]) if "seconds" in cells else None,
        comment=cells.get("comment", ""),
        flag=cells.get("flag") == "1",
        place=place,
    )
