"""Rows of a file as items: the responses of a row in their order, and its opinions as a known answer."""

from collections.abc import Iterable, Iterator
from itertools import groupby

from truing.core.errors import DataError
from truing.core.messages import message
from truing.core.records import Record, Response
from truing.store.answers import PairAnswer, RankingAnswer, SafetyAnswer, VoteAnswer
from truing.store.items import Candidate, ItemPurpose, NewItem
from truing.store.settings import VoteKind


def items_of(
    records: Iterable[Record], kind: VoteKind, purpose: ItemPurpose = ItemPurpose.REAL
) -> Iterator[NewItem]:
    """Yield an item for each record. Gold and training items know the order or the label of their record.

    Raises DataError for a record without responses, for responses of several turns, and for a record that has
    no known answer to the question where one is needed.
    """
    for record in records:
        if not record.responses:
            raise DataError(
                message("{place} has no response to vote on", place=record.place),
                hint=message(
                    "name rows with responses, or sample some: truing annotate PROMPTS --models A B"
                ),
            )
        responses = tuple(_candidate(record, response) for response in record.responses)
        gold = None if purpose is ItemPurpose.REAL else _known(record, kind)
        row = {"place": record.place, **({"category": record.category} if record.category else {})}
        yield NewItem(record.prompt, responses, kind, purpose, gold, row)


def _candidate(record: Record, response: Response) -> Candidate:
    if len(response.turns) != 1:
        said = message(
            "{place} has a response of {n} turns: expected one", place=record.place, n=len(response.turns)
        )
        raise DataError(said, hint=message("put the turns before the last into the prompt"))
    return Candidate(response.text, response.source)


def _known(record: Record, kind: VoteKind) -> VoteAnswer:
    """Return the answer that a record gives: its responses stand best first, or have a label."""
    labels = [response.label for response in record.responses]
    if kind == "safety" and None not in labels:
        return SafetyAnswer(tuple("safe" if label else "unsafe" for label in labels))
    if kind == "pair" and len(record.responses) == 2:
        tied = record.probability == 0.5 or len({*_ranks(record)}) == 1
        return PairAnswer("tie" if tied else "first")
    if kind == "ranking" and len(record.responses) > 1:
        ranked = groupby(enumerate(_ranks(record)), key=lambda each: each[1])
        return RankingAnswer(tuple(tuple(number for number, _ in group) for _, group in ranked))
    raise DataError(
        message("{place} has no known answer to a question of kind {kind}", place=record.place, kind=kind),
        hint=message(
            "gold and training rows say which response is better, or have a label where safety is asked"
        ),
    )


def _ranks(record: Record) -> list[int]:
    return [place if one.rank is None else one.rank for place, one in enumerate(record.responses)]
