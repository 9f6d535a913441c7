"""Votes as Label Studio's JSON, and back.

    {"data": {"prompt": "…", "text1": "…", "text2": "…"},
     "annotations": [{"completed_by": …, "lead_time": 2.5, "result": [
         {"from_name": "pairwise", "to_name": "text1,text2", "type": "pairwise",
          "value": {"selected": "left"}}]}]}

Left is text1. Pairwise, Ranker and Rating cannot say everything: a tie and two bad responses are Choices
`verdict`, a ranking has a Bucket for each rank, safety is Choices `safety_1`; `edited`, `comment`, `order`
and `reason` are TextAreas. Projects of other names are read too: responses are the fields that end in a
number, or the items of a list.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any

from truing.core.errors import DataError
from truing.core.messages import message
from truing.core.records import Message, user
from truing.store.answers import (
    EditAnswer,
    PairAnswer,
    RankingAnswer,
    RatingsAnswer,
    SafetyAnswer,
    SkipAnswer,
    VoteAnswer,
)
from truing.store.exchange import VoteRow
from truing.store.items import Candidate, ItemPurpose, NewItem
from truing.store.settings import KIND_OF

PROMPTS = ("prompt", "question", "instruction", "input", "query")
NUMBERED = re.compile(r"(.*?)[_-]?(\d+)")
SIDES = {"left": "first", "right": "second"}
_Result = dict[str, Any]


def write_label_studio(rows: Sequence[VoteRow]) -> bytes:
    """Return a list of tasks, one for each real item, each with its annotations."""
    real = (row for row in rows if row.item.purpose is ItemPurpose.REAL)
    tasks = [_task(list(of)) for _, of in groupby(real, key=lambda row: row.item)]
    return json.dumps(tasks, ensure_ascii=False, indent=1).encode("utf-8", "backslashreplace")


def _task(rows: list[VoteRow]) -> dict[str, Any]:
    item = rows[0].item
    data: dict[str, Any] = {"prompt": "\n\n".join(turn.content for turn in item.prompt)}
    data |= {f"text{number}": each.text for number, each in enumerate(item.responses, 1)}
    if item.kind == "ranking":
        data["items"] = [{"id": str(n), "body": each.text} for n, each in enumerate(item.responses, 1)]
    data["truing"] = {
        "kind": item.kind,
        "prompt": [[turn.role, turn.content, turn.extras] for turn in item.prompt],
        "models": [each.model for each in item.responses],
        "meta": [dict(each.meta) for each in item.responses],
        "row": dict(item.row),
        "priority": item.priority,
        "by_models": item.by_models,
    }
    return {"data": data, "annotations": [_annotation(row) for row in rows if row.answer is not None]}


def _annotation(row: VoteRow) -> dict[str, Any]:
    results = list(_results(row.answer, len(row.item.responses)))
    texts = {"comment": row.comment, "order": " ".join(str(number + 1) for number in row.order)}
    if isinstance(row.answer, SkipAnswer):
        texts["reason"] = row.answer.reason
    results += [_text(name, text) for name, text in texts.items() if text]
    choices = {"flag": "flag" if row.flag else "", "look": "second" if row.look == 2 else ""}
    results += [_choice(name, choice) for name, choice in choices.items() if choice]
    return {
        "completed_by": {"first_name": row.person, "last_name": "", "email": ""},
        "was_cancelled": isinstance(row.answer, SkipAnswer),
        "lead_time": row.seconds,
        "result": results,
    }


def _result(name: str, to: str, type_: str, value: Mapping[str, Any]) -> _Result:
    return {"from_name": name, "to_name": to, "type": type_, "value": dict(value)}


def _text(name: str, text: str, to: str = "prompt") -> _Result:
    return _result(name, to, "textarea", {"text": [text]})


def _choice(name: str, choice: str, to: str = "prompt") -> _Result:
    return _result(name, to, "choices", {"choices": [choice]})


def _results(answer: VoteAnswer | None, responses: int) -> Iterator[_Result]:
    match answer:
        case PairAnswer(choice=choice, edited=edited):
            side = next((side for side, meant in SIDES.items() if meant == choice), None)
            if side is None:
                yield _choice("verdict", choice)
            else:
                yield _result("pairwise", "text1,text2", "pairwise", {"selected": side})
            if edited is not None:
                yield _text("edited", edited, "text1" if choice == "first" else "text2")
        case RankingAnswer(groups=groups):
            buckets = {str(rank): [str(n + 1) for n in group] for rank, group in enumerate(groups, 1)}
            yield _result("rank", "items", "ranker", {"ranker": buckets})
        case RatingsAnswer(ratings=ratings):
            for number, rated in enumerate(ratings, 1):
                for axis, stars in rated.items():
                    yield _result(f"{axis}_{number}", f"text{number}", "rating", {"rating": stars})
        case SafetyAnswer(labels=labels):
            for number, label in enumerate(labels, 1):
                yield _choice(f"safety_{number}", label, f"text{number}")
        case EditAnswer(response=number, text=text):
            yield _text("edited", text, f"text{number + 1}")
        case _:
            return


def read_label_studio(task: Mapping[str, Any], place: str) -> Iterator[VoteRow]:
    """Yield the votes of a task, or its item alone. Raises DataError for a task without responses."""
    data: dict[str, Any] = task["data"]
    ours: dict[str, Any] = data.get("truing") or {}
    names, responses = responses_of(data)
    if not responses:
        raise DataError(
            message("{place} has no responses: expected fields text1, text2 … or items", place=place),
            hint=message("the fields are {names}", names=", ".join(data)),
        )
    models: list[str | None] = ours.get("models") or [None] * len(responses)
    prompt = tuple(Message(*turn) for turn in ours["prompt"]) if ours else prompt_of(data)
    found = [
        (annotation, _answer(annotation, names, len(responses))) for annotation in task.get("annotations", [])
    ]
    told = next((answer.kind for _, answer in found if answer and not isinstance(answer, SkipAnswer)), "")
    asked = ours.get("kind") or told or ("pair" if len(responses) == 2 else "ranking")
    kind = KIND_OF[asked]
    metas: list[dict[str, Any]] = ours.get("meta") or [{} for _ in responses]
    candidates = tuple(map(Candidate, responses, models, metas))
    item = NewItem(
        prompt,
        candidates,
        kind,
        row=ours["row"] if ours else {"task": task.get("id")},
        priority=ours.get("priority", 0.0),
        by_models=ours.get("by_models", False),
    )
    for annotation, answer in found:
        if answer is None:
            raise DataError(
                message("{place} has an annotation that says nothing on its responses", place=place),
                hint=message("expected results of pairwise, ranker, rating, choices or textarea"),
            )
        yield _vote(item, annotation, answer, place)
    if not found:
        yield VoteRow(item, place=place)


def responses_of(data: Mapping[str, Any]) -> tuple[list[str], list[str]]:
    """Return the names and the texts of responses: fields that end in a number, or the items of a list."""
    for value in data.values():
        if (
            isinstance(value, list)
            and value
            and all(isinstance(each, dict) and "id" in each for each in value)
        ):
            return [str(each["id"]) for each in value], [
                str(each["body"] if "body" in each else each.get("title")) for each in value
            ]
    named: dict[str, list[tuple[int, str]]] = {}
    for key, value in data.items():
        if isinstance(value, str) and (match := NUMBERED.fullmatch(key)):
            named.setdefault(match[1], []).append((int(match[2]), key))
    chosen = [key for _, key in sorted(max(named.values(), key=len, default=[]))]
    return chosen, [data[key] for key in chosen]


def prompt_of(data: Mapping[str, Any]) -> tuple[Message, ...]:
    """Return the prompt of a task of another project, empty where no field is named like one."""
    return user(next((str(data[key]) for key in PROMPTS if data.get(key)), ""))


def _vote(item: NewItem, annotation: Mapping[str, Any], answer: VoteAnswer, place: str) -> VoteRow:
    texts = _texts(annotation)
    return VoteRow(
        item=item,
        person=_person(annotation.get("completed_by")),
        answer=answer,
        look=2 if "second" in _choices(annotation).get("look", ()) else 1,
        order=tuple(int(number) - 1 for number in texts.get("order", "").split()),
        seconds=annotation.get("lead_time"),
        comment=texts.get("comment", ""),
        flag="flag" in _choices(annotation),
        place=place,
    )


def _person(given: object) -> str:
    if isinstance(given, Mapping):
        name = f"{given.get('first_name') or ''} {given.get('last_name') or ''}".strip()
        return name or str(given.get("email") or given.get("username") or given.get("id"))
    return f"label studio {given or 'user'}"


def _of_type(annotation: Mapping[str, Any], type_: str) -> Iterator[_Result]:
    return (one for one in annotation.get("result", []) if one.get("type") == type_)


def _texts(annotation: Mapping[str, Any]) -> dict[str, str]:
    found = {one["from_name"]: one["value"]["text"] for one in _of_type(annotation, "textarea")}
    return {name: text if isinstance(text, str) else "\n".join(text) for name, text in found.items()}


def _choices(annotation: Mapping[str, Any]) -> dict[str, list[str]]:
    return {one["from_name"]: one["value"]["choices"] for one in _of_type(annotation, "choices")}


def _answer(annotation: Mapping[str, Any], names: list[str], responses: int) -> VoteAnswer | None:
    """Return the answer of an annotation, or None where it has none of a kind that is known."""
    texts, choices = _texts(annotation), _choices(annotation)
    if annotation.get("was_cancelled"):
        return SkipAnswer(texts.get("reason", ""))
    for one in _of_type(annotation, "pairwise"):
        return PairAnswer(SIDES[one["value"]["selected"]], texts.get("edited"))  # pyright: ignore[reportArgumentType]
    if verdict := choices.get("verdict"):
        return PairAnswer(verdict[0])  # pyright: ignore[reportArgumentType]
    for one in _of_type(annotation, "ranker"):
        return RankingAnswer(_groups(one["value"]["ranker"], names))
    if ratings := _rated(annotation, responses):
        return RatingsAnswer(ratings)
    labels = [choices.get(f"safety_{number}", [""])[0] for number in range(1, responses + 1)]
    if all(labels):
        return SafetyAnswer(tuple(labels))  # pyright: ignore[reportArgumentType]
    for one in _of_type(annotation, "textarea"):
        if one["from_name"] == "edited" and one["to_name"] in names:
            return EditAnswer(names.index(one["to_name"]), texts["edited"])
    return None


def _groups(given: Mapping[str, list[str]] | list[str], names: list[str]) -> tuple[tuple[int, ...], ...]:
    """Return groups of responses from buckets, best first, or from one list in order."""
    places = {name: number for number, name in enumerate(names)}
    if isinstance(given, Mapping) and all(key.isdecimal() for key in given):
        return tuple(tuple(places[str(each)] for each in given[key]) for key in sorted(given, key=int))
    order = given if isinstance(given, list) else next(each for key, each in given.items() if key != "_")
    return tuple((places[str(each)],) for each in order)


def _rated(annotation: Mapping[str, Any], responses: int) -> tuple[dict[str, int], ...]:
    """Return each response's stars by axis; a rating without a number belongs to the only response."""
    found: list[dict[str, int]] = [{} for _ in range(responses)]
    for one in _of_type(annotation, "rating"):
        match = NUMBERED.fullmatch(one["from_name"])
        axis, number = (match[1], int(match[2])) if match and responses > 1 else (one["from_name"], 1)
        axis = axis.removesuffix("_1") if responses == 1 else axis
        if 1 <= number <= responses:
            found[number - 1][axis] = int(one["value"]["rating"])
    return tuple(found) if all(found) else ()
