"""Files of votes that other tools wrote, recognised by their keys.

Label Studio    {"data": …, "annotations": …}
Argilla         {"fields": …, "responses": …}, or keys such as preference.responses
pairs           {"prompt": …, "answer1": …, "answer2": …, "chosen": …, "rejected": …}, as Data-Juicer has them
CSV             a table that `truing annotate export --format csv` wrote
"""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from truing.core.errors import DataError, StorageError
from truing.core.messages import message
from truing.store.answers import PairAnswer, RatingsAnswer
from truing.store.argilla import is_argilla, read_argilla
from truing.store.exchange import VoteRow
from truing.store.items import Candidate, NewItem
from truing.store.label_studio import prompt_of, read_label_studio
from truing.store.settings import ProjectSettings
from truing.store.tables import read_table

LARGEST = 1 << 30  # bytes of a file of votes
NOBODY = "imported"  # who voted in a file that names no one


def read_votes_file(path: Path) -> list[VoteRow]:
    """Return the votes and items of a file. Raises DataError for another file, and StorageError for none."""
    try:
        if path.stat().st_size > LARGEST:
            raise DataError(message("{path} is larger than 1 GB", path=path), hint=message("split it"))
        content = path.read_bytes()
    except OSError as error:
        raise StorageError(
            message("{path} cannot be read: {error}", path=path, error=error.strerror)
        ) from error
    if path.suffix.lower() == ".csv":
        return list(read_table(content, path.name))
    rows = [found for place, row in _objects(content, path.name) for found in _read(row, place)]
    if not rows:
        raise DataError(message("{path} holds no rows", path=path))
    return rows


def _objects(content: bytes, name: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield the objects of JSON or JSON lines, each with its place."""
    try:
        text = content.decode("utf-8-sig")
        if text.lstrip().startswith("["):
            listed: list[Any] = json.loads(text)
            places = [(f"{name}, row {n}", row) for n, row in enumerate(listed, 1)]
        else:
            lines = enumerate(text.split("\n"), 1)
            places = [(f"{name}:{n}", json.loads(line)) for n, line in lines if line.strip()]
    except ValueError as error:
        raise DataError(message("{name} is no JSON: {error}", name=name, error=error)) from error
    for place, row in places:
        if not isinstance(row, dict):
            raise DataError(message("{place} is no object", place=place))
        yield place, row


def _read(row: Mapping[str, Any], place: str) -> Iterator[VoteRow]:
    try:
        if "data" in row and "annotations" in row:
            yield from read_label_studio(row, place)
        elif is_argilla(row):
            yield from read_argilla(row, place)
        elif "answer1" in row and "answer2" in row:
            yield _pair(row, place)
        else:
            raise DataError(
                message(
                    "{place} is of no tool that truing knows; its keys are {keys}",
                    place=place,
                    keys=", ".join(row),
                ),
                hint=message(
                    "expected an export of Label Studio or Argilla, or answer1, answer2, chosen, rejected"
                ),
            )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        said = message("{place} is not as expected: {error}", place=place, error=repr(error))
        raise DataError(
            said, hint=message("export it again as JSON, and leave its keys as they are")
        ) from error


def _pair(row: Mapping[str, Any], place: str) -> VoteRow:
    """Read a pair whose chosen answer stands beside its two answers; without one it is an item to vote on."""
    item = NewItem(
        prompt_of(row), (Candidate(row["answer1"]), Candidate(row["answer2"])), "pair", row={"place": place}
    )
    chosen = row.get("chosen")
    if not chosen:
        return VoteRow(item, place=place)
    if chosen not in (row["answer1"], row["answer2"]):
        raise DataError(
            message("{place}: the chosen answer is neither answer1 nor answer2", place=place),
            hint=message("leave the answers as they were when they were voted on"),
        )
    return VoteRow(item, NOBODY, PairAnswer("first" if chosen == row["answer1"] else "second"), place=place)


def settings_for(rows: list[VoteRow], name: str) -> ProjectSettings:
    """Return the settings of a project that is made for the votes of a file."""
    kinds = tuple(dict.fromkeys(row.item.kind for row in rows if row.item.kind is not None))
    rated = next((row.answer for row in rows if isinstance(row.answer, RatingsAnswer)), None)
    found = {"name": name, "kinds": kinds or ("pair",)}
    return ProjectSettings.model_validate(found | ({"axes": tuple(rated.ratings[0])} if rated else {}))
