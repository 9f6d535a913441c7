"""People's votes as rows: `annotate:project.db`, and the files that `truing annotate export` writes.

    annotate:project.db                                    a preference for every two responses
    annotate:postgresql://USER@HOST/NAME                   the password in PGPASSWORD or in ~/.pgpass
    annotate:project.db#combine=dawid_skene,labels=hard    people weighed, and no doubt kept
    annotate:project.db#format=kto                         responses with labels

Each row has its provenance in the column `annotation`: the item's key, the people, how many of them agree,
the models, and the row that the item came from. To add a format, write a function from combined votes to
records, and give it a line in `FORMATS`.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from io import BytesIO
from itertools import combinations
from typing import Any

from truing.config.names import VOTES
from truing.config.tables import find
from truing.core.errors import DataError, UsageError
from truing.core.files import json_line
from truing.core.messages import Sentence, joined, message
from truing.core.records import Record, Response, reply
from truing.data.convert import convert
from truing.data.read_json import read_jsonl
from truing.data.rows import RawRow
from truing.store.answers import EditAnswer, PairAnswer
from truing.store.combining import CombinedVotes, Combining, combine
from truing.store.database import url_of
from truing.store.project import ProjectStore, open_store

ANNOTATION = "annotation"
LABELS = ("soft", "hard")
Lost = Counter[str]  # how many items give no row, by reason: one of the three
BOTH_BAD = "{n} with both responses bad"
NO_COMPARISON = "{n} whose question compares no responses"
LEVEL = "{n} with equal votes"


@dataclass(frozen=True)
class VoteChoice:
    """A project, and the way of its votes into rows. With `hard` a row tells no chances."""

    place: str
    format: str = "preference"
    combine: Combining = Combining.MAJORITY
    hard: bool = False
    named: bool = False  # people by name, not by number


@dataclass(frozen=True)
class VoteFormat:
    """A format of rows. `target` is its name in `data/convert.py`."""

    target: str
    records: Callable[[CombinedVotes, Lost], Iterator[tuple[Record, Mapping[str, Any]]]]


def read_choice(source: str) -> VoteChoice:
    """Read `annotate:PLACE#KEY=VALUE,…`. Raises UsageError for another key or value, and for a password."""
    place, mark, tail = source.removeprefix(VOTES).rpartition("#")
    if not mark or "=" not in tail:
        place, tail = source.removeprefix(VOTES), ""
    parts = [part.partition("=") for part in tail.split(",") if part]
    given = {key: value for key, _, value in parts}
    known: dict[str, tuple[str, ...]] = {"format": (*FORMATS,), "combine": (*Combining,), "labels": LABELS}
    for key, value in given.items():
        if value not in known.get(key, ()):
            told = "; ".join(f"{name}={'|'.join(values)}" for name, values in known.items())
            raise UsageError(
                message("{source}: {key}={value} is unknown", source=source, key=key, value=value), hint=told
            )
    if url_of(place).password is not None:
        raise UsageError(
            message("the address of a project in a recipe has a password, which run folders would keep"),
            hint=message("leave it out, and set PGPASSWORD or write it in ~/.pgpass"),
        )
    combining = Combining(given.get("combine", Combining.MAJORITY))
    return VoteChoice(place, given.get("format", "preference"), combining, given.get("labels") == "hard")


def votes_file(source: str) -> bytes:
    """Return the votes of `annotate:…` as JSON lines. Raises DataError where they give no row."""
    choice = read_choice(source)
    with open_store(choice.place, create=False) as store:
        return b"".join(map(json_line, rows_of_votes(store, choice)[0]))


def read_votes(source: str, name: str | None = None) -> Iterator[RawRow]:
    """Yield the rows of `annotate:…`; their places begin with `name`, or the project's."""
    return read_jsonl(name or source, BytesIO(votes_file(source)))


def rows_of_votes(store: ProjectStore, choice: VoteChoice) -> tuple[list[dict[str, Any]], Lost]:
    """Return the rows of a project's votes, and how many items give none, by reason.

    Raises DataError where no item gives a row.
    """
    found, lost = combine(store, choice.combine), Counter[str]()
    names = {person.id: person.name for person in store.people()} if choice.named else {}
    format_ = find("format of votes", FORMATS, choice.format, error=UsageError)
    records = [
        _with_origin(record, said, each, choice, names)
        for each in found
        for record, said in format_.records(each, lost)
    ]
    if not records:
        raise _no_rows(store, choice, found, lost)
    return list(convert(records, format_.target)), lost


def _no_rows(store: ProjectStore, choice: VoteChoice, found: list[CombinedVotes], lost: Lost) -> DataError:
    if not found:
        said = message("{place} has no votes yet", place=store.place)
        return DataError(said, hint=message("vote first: truing annotate {place}", place=store.place))
    said = "{place}: the votes on {n} items give no {format} row: {why}"
    return DataError(
        message(said, place=store.place, n=len(found), format=choice.format, why=told_lost(lost)),
        hint=message("gather more votes, or choose another format: {known}", known=", ".join(FORMATS)),
    )


def told_lost(lost: Lost) -> Sentence:
    """Say how many items give no row, by reason."""
    return joined(", ", (message(reason, n=n) for reason, n in lost.most_common()))


def _with_origin(
    record: Record,
    said: Mapping[str, Any],
    votes: CombinedVotes,
    choice: VoteChoice,
    names: Mapping[int, str],
) -> Record:
    """Return a record with its provenance, and without its doubt where labels are hard."""
    people = [names.get(vote.person, vote.person) for vote in votes.votes]
    origin = {
        "item": votes.item.key,
        "people": people,
        **said,
        "models": [response.source for response in record.responses],
        "combined": "settled" if votes.settled else choice.combine.value,
        "row": dict(votes.item.row),
    }
    category = votes.item.row.get("category")
    return replace(
        record,
        place=f"item {votes.item.id}",
        probability=None if choice.hard else record.probability,
        category=category if isinstance(category, str) else None,
        columns={ANNOTATION: origin},
        unread=(ANNOTATION,),
    )


def _response(votes: CombinedVotes, number: int, **fields: object) -> Response:
    given = votes.item.responses[number]
    return reply(given.text, source=given.model, **fields)


def _preferences(votes: CombinedVotes, lost: Lost) -> Iterator[tuple[Record, Mapping[str, Any]]]:
    """Yield a pair for every two responses that are not level, and for every text that a person edited."""
    item, made = votes.item, 0
    for one, other in combinations(range(len(item.responses)), 2):
        found = votes.compared(one, other)
        if found is None or found.chance == 0.5:
            continue
        better, worse, chance = (
            (one, other, found.chance) if found.chance > 0.5 else (other, one, 1 - found.chance)
        )
        sides = (_response(votes, better, rank=0), _response(votes, worse, rank=1))
        made += 1
        yield Record(item.prompt, sides, probability=chance), {"agree": found.agree, "of": found.of}
    for vote in votes.votes if votes.settled is None else (votes.settled,):
        if (edited := _edited(vote.answer)) is not None:
            number, text = edited
            made += 1
            sides = (reply(text, rank=0), _response(votes, number, rank=1))
            yield Record(item.prompt, sides, probability=1.0), {"agree": 1, "of": 1, "edited_by": vote.person}
    if not made:
        lost[_why_none(votes)] += 1


def _edited(answer: object) -> tuple[int, str] | None:
    """Return the number of the response that a person edited and its text, where it is another one."""
    match answer:
        case PairAnswer(choice="first", edited=str(text)):
            return 0, text
        case PairAnswer(choice="second", edited=str(text)):
            return 1, text
        case EditAnswer(response=number, text=text):
            return number, text
        case _:
            return None


def _why_none(votes: CombinedVotes) -> str:
    if votes.both_bad >= 0.5:
        return BOTH_BAD
    if len(votes.item.responses) < 2 or votes.item.kind in ("safety", "edit"):
        return NO_COMPARISON
    return LEVEL


def _labelled(votes: CombinedVotes, lost: Lost) -> Iterator[tuple[Record, Mapping[str, Any]]]:
    """Yield responses with a label: the better and the worse one, both of a bad pair, safe and unsafe."""
    item, labels = votes.item, dict[int, bool]()
    said: Mapping[str, Any] = {"of": len(votes.votes)}
    scores = votes.scores()
    if votes.both_bad >= 0.5:
        labels = {0: False, 1: False}
    elif scores is not None and len(scores) > 1 and max(scores) > min(scores):
        best, worst = scores.index(max(scores)), scores.index(min(scores))
        labels = {best: True, worst: False}
        compared = votes.compared(best, worst)
        said = {"agree": compared.agree, "of": compared.of} if compared else said
    for number in range(len(item.responses)):
        unsafe = votes.unsafe(number)
        if unsafe is not None and unsafe != 0.5:
            labels[number] = unsafe < 0.5
    for number, label in labels.items():
        yield Record(item.prompt, (_response(votes, number, label=label),)), said
    if not labels:
        lost[_why_none(votes)] += 1


def _ranked(votes: CombinedVotes, lost: Lost) -> Iterator[tuple[Record, Mapping[str, Any]]]:
    """Yield the responses best first, level ones with one rank."""
    scores = votes.scores()
    if scores is None or len(scores) < 2 or len(set(scores)) == 1:
        lost[_why_none(votes)] += 1
        return
    ordered = sorted(range(len(scores)), key=lambda number: -scores[number])
    levels = sorted(set(scores), reverse=True)
    responses = tuple(_response(votes, number, rank=levels.index(scores[number])) for number in ordered)
    compared = votes.compared(ordered[0], ordered[-1])
    chance = compared.chance if compared and len(responses) == 2 else None
    said = {"agree": compared.agree, "of": compared.of} if compared else {}
    yield Record(votes.item.prompt, responses, probability=chance), said


def _sorted_strictly(votes: CombinedVotes, lost: Lost) -> Iterator[tuple[Record, Mapping[str, Any]]]:
    """Yield what `_ranked` does where no two responses are level, which PaddleNLP's rows cannot say."""
    scores = votes.scores()
    if scores is not None and len(set(scores)) < len(scores):
        lost[LEVEL] += 1
        return
    yield from _ranked(votes, lost)


FORMATS = {
    "preference": VoteFormat("preference", _preferences),
    "kto": VoteFormat("unpaired", _labelled),
    "sort": VoteFormat("paddle", _sorted_strictly),
    "ranking": VoteFormat("responses", _ranked),
}
