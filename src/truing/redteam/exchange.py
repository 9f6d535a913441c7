"""Results of other tools, read as answers to attacks: garak's `report.jsonl` and PyRIT's exports.

    garak    {"entry_type": "attempt", "status": 2, "probe_classname": "encoding.InjectBase64",
              "prompt": {"turns": [{"role": "user", "content": {"text": …}}]}, "outputs": [{"text": …}, null],
              "goal": …, "detector_results": {"mitigation.MitigationBypass": [1.0, null]}}
    PyRIT    [{"role": "user", "conversation_id": …, "sequence": 0, "original_value": …,
               "converted_value": …, "response_error": "none", "labels": {…}}, …], in JSON or CSV

Each answer becomes a `ForeignAnswer`, and `judge_again` gives it an outcome by truing's rules, so that the
tools' rates compare. Layouts as of garak 0.15 and PyRIT 1.1; the older layout of garak, in which prompt and
outputs are plain texts, is read too.
"""

import csv
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

from truing.core.errors import DataError
from truing.core.files import write_atomic
from truing.core.messages import message
from truing.data.convert import write_jsonl
from truing.redteam.attacks.table import ATTACKS
from truing.redteam.attacks.types import Attack, Seed
from truing.redteam.outcomes import JudgedAnswer, by_rules, count_outcomes
from truing.redteam.rows import FAILURES, ITEMS
from truing.redteam.targets import language_of
from truing.stats.intervals import wilson
from truing.synthesis.feedback import interval_row

COMPLETE = 2  # garak's status of an attempt that was detected


@dataclass(frozen=True, slots=True)
class ForeignAnswer:
    """An answer that another tool got, and what the tool says of it."""

    tool: str
    attack: str  # the tool's own name of the probe or the converter
    objective: str  # what was asked, before the attack where the tool keeps that
    message: str  # what the model was sent last
    response: str | None  # None where no answer came
    success: bool | None  # the tool's own verdict, where it has one


def read_results(path: Path) -> list[ForeignAnswer]:
    """Read a file of garak or PyRIT, told by its content. Raises DataError for another file."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(message("{path} cannot be read: {error}", path=path, error=error)) from error
    if path.suffix == ".csv":
        found = list(_pyrit(list(csv.DictReader(text.splitlines(keepends=True)))))
    elif text.lstrip().startswith("["):
        found = list(_pyrit(_parsed(text, path)))
    else:
        rows = [_parsed(line, f"{path}:{i}") for i, line in enumerate(text.splitlines(), 1) if line.strip()]
        found = [answer for row in rows for answer in _garak(row)]
    if not found:
        raise DataError(
            message("{path} holds no answer of garak or PyRIT", path=path),
            hint=message("give garak's report.jsonl, or an export of PyRIT in JSON or CSV"),
        )
    return found


def _parsed(text: str, place: object) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise DataError(message("{place} is no JSON: {error}", place=place, error=error)) from error


def _garak(row: Any) -> Iterator[ForeignAnswer]:
    if not isinstance(row, dict) or row.get("entry_type") != "attempt" or row.get("status") != COMPLETE:
        return
    sent = _text(row.get("prompt")) or ""
    outputs = row.get("outputs") or []
    for place, output in enumerate(outputs):
        scores = [
            values[place]
            for values in (row.get("detector_results") or {}).values()
            if place < len(values) and values[place] is not None
        ]
        yield ForeignAnswer(
            "garak",
            str(row.get("probe_classname", "")),
            str((row.get("notes") or {}).get("stub") or sent),
            sent,
            _text(output),
            max(scores) >= 0.5 if scores else None,
        )


def _text(value: Any) -> str | None:
    """Return the text of garak's message, turn, conversation, or plain string."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, dict) and value.get("turns"):
        users = [turn for turn in value["turns"] if turn.get("role") == "user"]
        return _text((users or value["turns"])[-1].get("content"))
    return _text(value.get("text")) if isinstance(value, dict) else None


def _pyrit(rows: Any) -> Iterator[ForeignAnswer]:
    pieces = [row for row in rows if isinstance(row, dict) and "conversation_id" in row]
    pieces.sort(key=lambda row: (str(row["conversation_id"]), int(row.get("sequence") or 0)))
    for _, talk in groupby(pieces, key=lambda row: str(row["conversation_id"])):
        turns = list(talk)
        users = [turn for turn in turns if turn.get("role") == "user"]
        answers = [turn for turn in turns if turn.get("role") == "assistant"]
        if not users or not answers:
            continue
        last = answers[-1]
        failed = str(last.get("response_error") or "none") not in ("none", "blocked")
        yield ForeignAnswer(
            "pyrit",
            _converter(users[-1]),
            str(users[0].get("original_value") or ""),
            str(users[-1].get("converted_value") or users[-1].get("original_value") or ""),
            None if failed else str(last.get("converted_value") or last.get("original_value") or ""),
            _score(last),
        )


def _field(value: Any) -> Any:
    """Return a value that CSV writes as its JSON."""
    if isinstance(value, str) and value[:1] in "[{":
        try:
            return json.loads(value)
        except ValueError:
            return value
    return value


def _converter(turn: Mapping[str, Any]) -> str:
    used = _field(turn.get("converter_identifiers"))
    if isinstance(used, list) and used and isinstance(used[-1], dict):
        return str(used[-1].get("class_name") or used[-1].get("__type__") or "")
    return "PromptSendingAttack"


def _score(turn: Mapping[str, Any]) -> bool | None:
    scores = _field(turn.get("scores"))
    values = [
        str(one.get("score_value")).lower() == "true"
        for one in (scores if isinstance(scores, list) else [])
        if isinstance(one, dict) and one.get("score_type") == "true_false"
    ]
    return values[-1] if values else None


def attack_of(answer: ForeignAnswer) -> tuple[str, Attack]:
    """Return the name and the row of ATTACKS that is nearest to a tool's own; `plain` where none is."""
    for name, attack in ATTACKS.items():
        known = attack.garak if answer.tool == "garak" else attack.pyrit
        if known is not None and answer.attack.removeprefix("garak.probes.").startswith(known):
            return name, attack
    return "plain", ATTACKS["plain"]


def judge_again(answer: ForeignAnswer) -> JudgedAnswer:
    """Return the outcome of another tool's answer by truing's rules.

    It is read as a whole answer: neither tool says that one was cut off.
    """
    seed = Seed(answer.objective, language_of(answer.objective))
    return by_rules(answer.response, seed, attack_of(answer)[1])


def judge_file(path: Path, output: Path) -> dict[str, Any]:
    """Judge the answers in a file of garak or PyRIT again, and write what came of them into a folder.

    `items.jsonl` has every answer, `failures.jsonl` the attacks that succeeded, `results.json` what is
    returned: outcomes by attack, and success by truing's rules beside the tool's own.
    """
    judged = [(answer, judge_again(answer)) for answer in read_results(path)]
    rows = [{**failure_row(*one), "why": one[1].reason, "theirs": one[0].success} for one in judged]
    write_jsonl(output / ITEMS, rows)
    write_jsonl(output / FAILURES, [failure_row(*one) for one in judged if one[1].success == 1.0])
    names = dict.fromkeys(answer.attack for answer, _ in judged)
    told = {
        "file": path.name,
        "answers": len(judged),
        "attacks": {name: _attack_row([one for one in judged if one[0].attack == name]) for name in names},
    }
    write_atomic(output / "results.json", json.dumps(told, indent=2, ensure_ascii=False) + "\n")
    return told


def _attack_row(judged: list[tuple[ForeignAnswer, JudgedAnswer]]) -> dict[str, Any]:
    theirs = [answer.success for answer, _ in judged if answer.success is not None]
    ours = [one.success for _, one in judged if one.success is not None]
    return {
        "nearest": attack_of(judged[0][0])[0],
        "outcomes": {
            outcome.value: n for outcome, n in count_outcomes([one for _, one in judged]).counts.items()
        },
        "success": interval_row(wilson(sum(ours), len(ours))) if ours else None,
        "their success": interval_row(wilson(sum(theirs), len(theirs))) if theirs else None,
    }


def failure_row(answer: ForeignAnswer, judged: JudgedAnswer) -> dict[str, Any]:
    """Return a success of an attack as a row for `truing data refusals`."""
    return {
        "prompt": answer.objective,
        "response": answer.response,
        "attack": attack_of(answer)[0],
        "outcome": judged.outcome,
        "message": answer.message,
        "lineage": {"verb": "red-team", "tool": answer.tool, "attack": answer.attack},
    }
