"""A judge beside people: its verdicts on the pairs that they voted on, item by item and as agreement.

`truing judge` writes a line for each pair to `verdicts.jsonl`. A line and an item are the same where their
two responses are, in either order; where the same two texts answer several prompts, the item is left out.
People's answer is that of most of them; the judge's is the side that its verdict takes.
"""

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from truing.core.errors import DataError
from truing.core.messages import message
from truing.judges.panel import side_of
from truing.pipelines.votes.questions import PAIR, ReadVotes
from truing.stats.agreement_table import DRAWS, AgreementRow, agreement_table
from truing.store.items import StoredItem

VERDICTS = "verdicts.jsonl"
SIDES = {1.0: "first", 0.5: "tie", 0.0: "second"}
_PEOPLE, _JUDGE = "people", "judge"


@dataclass(frozen=True, slots=True)
class JoinedVerdict:
    """One item with what people and the judge say of it: first, second or tie."""

    item: int
    row: Mapping[str, Any]  # where the item comes from
    people: str
    judge: str
    value: float  # the judge's probability that the first response is better
    votes: int


@dataclass(frozen=True, slots=True)
class JudgeBesidePeople:
    """Agreement of a judge with most of the people, and the items on which they part, the surest first."""

    verdicts: int  # lines with a verdict on a pair
    joined: int  # items with both
    rows: tuple[AgreementRow, ...]
    apart: tuple[JoinedVerdict, ...] = field(default=())


def judge_beside_people(
    folder: Path | str, read: ReadVotes, *, seed: int = 0, draws: int = DRAWS
) -> JudgeBesidePeople:
    """Join a folder of `truing judge` with the votes on pairs.

    An item on which people have no most frequent answer, or whose both responses they found bad, is left
    out: a judge of pairs cannot say the latter. Raises DataError for a folder without verdicts.
    """
    values = _values(Path(folder) / VERDICTS)
    found = list(_joined(read, values))
    given = [{_PEOPLE: one.people, _JUDGE: one.judge} for one in found]
    rows = agreement_table(given, labels=tuple(SIDES.values()), seed=seed, draws=draws)
    apart = [one for one in found if one.people != one.judge]
    apart.sort(key=lambda one: (-one.votes, -abs(one.value - 0.5), one.item))
    return JudgeBesidePeople(len(values), len(found), tuple(rows), tuple(apart))


def _values(path: Path) -> dict[tuple[str, str], float | None]:
    """Return the judge's probability for each pair of texts, by the order of its line; None for several."""
    if not path.is_file():
        raise DataError(
            message("{path} has no {file} of a judge", path=path.parent, file=VERDICTS),
            hint=message("make them with `truing judge ROWS --output FOLDER`"),
        )
    values: dict[tuple[str, str], float | None] = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        if row["kind"] == "pairwise" and row["value"] is not None:
            first, second = row["responses"]
            known = (first, second) in values or (second, first) in values
            values[first, second] = None if known else row["value"]
            if known:
                values.pop((second, first), None)
    return values


def _joined(read: ReadVotes, values: Mapping[tuple[str, str], float | None]) -> Iterable[JoinedVerdict]:
    by_item: dict[int, Counter[str]] = defaultdict(Counter)
    for question in read.questions:
        if question.name == PAIR:
            for item, given in zip(question.items, question.given, strict=True):
                by_item[item].update(given.values())
    texts = Counter(_texts(read.items[item]) for item in by_item)
    for item, answers in by_item.items():
        stored = read.items[item]
        first, second = (one.text for one in stored.responses)
        value, turned = values.get((first, second)), values.get((second, first))
        value = value if turned is None else 1 - turned
        ranked = answers.most_common(2)
        split = len(ranked) > 1 and ranked[0][1] == ranked[1][1]
        if value is None or split or ranked[0][0] == "both_bad" or texts[_texts(stored)] > 1:
            continue
        yield JoinedVerdict(item, stored.row, ranked[0][0], SIDES[side_of(value)], value, answers.total())


def _texts(item: StoredItem) -> frozenset[str]:
    return frozenset(one.text for one in item.responses)
