"""Votes of Argilla's exports: records of version 2, flat or nested, and of version 1.

    {"fields": {"prompt": "…", "response1": "…", "response2": "…"},
     "responses": {"preference": [{"value": "response1", "user_id": "…"}]}}
    {"prompt": "…", "response1": "…", "response2": "…",
     "preference.responses": ["response1"], "preference.responses.users": ["…"]}
    {"fields": {…},
     "responses": [{"user_id": "…", "status": "submitted", "values": {"preference": {"value": "response1"}}}]}

A label that names a response is a choice between two; a ranking question orders all; a rating question has
the response's number at its end, such as `helpful_1`.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import Any

from truing.core.errors import DataError
from truing.core.messages import message
from truing.store.answers import PairAnswer, RankingAnswer, RatingsAnswer, SkipAnswer, VoteAnswer
from truing.store.exchange import VoteRow
from truing.store.items import Candidate, NewItem
from truing.store.label_studio import NUMBERED, prompt_of, responses_of
from truing.store.settings import KIND_OF

FLAT = ".responses"
LEVEL = {
    "tie": "tie",
    "equal": "tie",
    "both": "tie",
    "both_bad": "both_bad",
    "neither": "both_bad",
    "none": "both_bad",
}
_Said = dict[str, tuple[str, dict[str, Any]]]  # by person: the status, and the value of each question


def is_argilla(row: Mapping[str, Any]) -> bool:
    """Tell whether a row is a record of Argilla."""
    return ("fields" in row and "responses" in row) or any(key.endswith(FLAT) for key in row)


def read_argilla(row: Mapping[str, Any], place: str) -> Iterator[VoteRow]:
    """Yield the votes of a record, or its item alone. Raises DataError for a record without responses."""
    fields: Mapping[str, Any] = (
        row["fields"] if "fields" in row else {k: v for k, v in row.items() if "." not in k}
    )
    names, responses = responses_of(fields)
    if not responses:
        raise DataError(
            message("{place} has no responses: expected fields response1, response2 …", place=place),
            hint=message("the fields are {names}", names=", ".join(fields)),
        )
    found = {
        person: SkipAnswer(status) if status == "discarded" else _answer(values, names)
        for person, (status, values) in _said(row).items()
        if status in ("submitted", "discarded")
    }
    told = next(
        (answer.kind for answer in found.values() if answer and not isinstance(answer, SkipAnswer)), None
    )
    kind = KIND_OF[told or ("pair" if len(responses) == 2 else "ranking")]
    item = NewItem(prompt_of(fields), tuple(map(Candidate, responses)), kind, row={"record": row.get("id")})
    for person, answer in found.items():
        if answer is None:
            raise DataError(
                message(
                    "{place} has a response that says nothing on its fields {names}",
                    place=place,
                    names=", ".join(names),
                ),
                hint=message("expected a label with the name of a field, a ranking of fields, or ratings"),
            )
        yield VoteRow(item, person, answer, place=place)
    if not found:
        yield VoteRow(item, place=place)


def _said(row: Mapping[str, Any]) -> _Said:
    """Return every person's values by question, of any of the three shapes."""
    said: _Said = {}
    given = row.get("responses")
    if isinstance(given, list):
        for one in given:
            values = {name: each["value"] for name, each in (one.get("values") or {}).items()}
            said[str(one.get("user_id") or "argilla user")] = (one.get("status") or "submitted", values)
        return said
    values: dict[str, dict[str, Any]] = defaultdict(dict)
    status: dict[str, str] = {}
    if isinstance(given, Mapping):
        for name, several in given.items():
            for one in several or []:
                person = str(one.get("user_id") or "argilla user")
                values[person][name] = one["value"]
                status[person] = one.get("status") or "submitted"
    for key in [key for key in row if key.endswith(FLAT)]:
        answers = row[key] or []
        people = row.get(f"{key}.users") or ["argilla user"] * len(answers)
        states = row.get(f"{key}.status") or ["submitted"] * len(answers)
        for person, state, value in zip(people, states, answers, strict=True):
            values[str(person)][key.removesuffix(FLAT)] = value
            status[str(person)] = state
    return {person: (status[person], given) for person, given in values.items()}


def _answer(values: Mapping[str, Any], names: list[str]) -> VoteAnswer | None:
    """Return the answer of a person's values, or None where none of them is on the responses."""
    rated: list[dict[str, int]] = [{} for _ in names]
    for question, value in values.items():
        if isinstance(value, list) and value:
            return _ranked(value, names)
        if isinstance(value, str) and value in names and len(names) == 2:
            return PairAnswer("first" if value == names[0] else "second")
        if isinstance(value, str) and value.lower().replace(" ", "_") in LEVEL and len(names) == 2:
            return PairAnswer(LEVEL[value.lower().replace(" ", "_")])  # pyright: ignore[reportArgumentType]
        if isinstance(value, int) and not isinstance(value, bool):
            match = NUMBERED.fullmatch(question)
            axis, number = (match[1], int(match[2])) if match else (question, 1)
            if 1 <= number <= len(names):
                rated[number - 1][axis] = value
    return RatingsAnswer(tuple(rated)) if all(rated) else None


def _ranked(value: list[Any], names: list[str]) -> VoteAnswer | None:
    """Return a ranking: names best first, or {"value": name, "rank": n} with equal ranks for ties."""
    ranks: dict[int, list[int]] = defaultdict(list)
    for place, each in enumerate(value):
        name, rank = (each["value"], int(each["rank"])) if isinstance(each, Mapping) else (each, place)
        if name not in names:
            return None
        ranks[rank].append(names.index(name))
    groups = tuple(tuple(ranks[rank]) for rank in sorted(ranks))
    if len(names) != 2:
        return RankingAnswer(groups)
    return PairAnswer("tie" if len(groups) == 1 else "first" if groups[0] == (0,) else "second")
