"""The rows that verdicts become: rows to train on, and a line for every item with what each judge said.

    pairwise    {"prompt", "chosen", "rejected", "chosen_probability"}    the better response first
    ranking     {"prompt", "responses", "ranks"}
    rubric      {"prompt", "completion", "score", "met", "rubric"}
    axes        {"prompt", "completion", "score", "axes"}

Every row has its lineage. An item without a verdict is in `verdicts.jsonl` alone, with the reason.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from truing.core.records import Response
from truing.judges.opinions import NoVerdict
from truing.judges.ranking import RankedResponses, ranks_of
from truing.judges.rubrics import RubricVerdict
from truing.synthesis.judging.kinds import JudgedItem
from truing.synthesis.judging.run import ItemVerdict, JudgedRows, details
from truing.synthesis.lineage import LINEAGE, lineage
from truing.synthesis.prompts import turns

VERB = "judge"


def trainable(done: JudgedRows) -> Iterator[dict[str, Any]]:
    """Yield a row for every item that has a verdict."""
    for verdict in done.verdicts:
        if not isinstance(verdict.value, NoVerdict):
            made = _ROWS[verdict.item.kind](verdict.item, verdict)
            yield {"prompt": turns(verdict.item.record), **made, LINEAGE: _lineage(done, verdict.item)}


def told(done: JudgedRows) -> Iterator[dict[str, Any]]:
    """Yield a line for every item: its place, what each judge said, and the opinion or why there is none."""
    for verdict in done.verdicts:
        item, value = verdict.item, verdict.value
        failed = isinstance(value, NoVerdict)
        yield {
            "place": item.record.place,
            "kind": item.kind,
            "responses": item.texts,
            "judges": details(done, verdict),
            "value": None if failed else value,
            **({"error": value.reason} if failed else {}),
        }


def _lineage(done: JudgedRows, item: JudgedItem) -> dict[str, Any]:
    judges = [dict(role.identity) for role in done.roles]
    asked = {"kind": item.kind, "language": done.recipe.language}
    return lineage(VERB, done.rows, item.record, judges=judges, question=asked, seed=done.recipe.seed)


def _pair(item: JudgedItem, verdict: ItemVerdict) -> dict[str, Any]:
    assert not isinstance(verdict.value, NoVerdict)
    first, second = (_turns(response) for response in item.responses)
    sure = max(verdict.value, 1 - verdict.value)
    better, worse = (first, second) if verdict.value >= 0.5 else (second, first)
    return {"chosen": better, "rejected": worse, "chosen_probability": sure}


def _ranked(item: JudgedItem, verdict: ItemVerdict) -> dict[str, Any]:
    return {"responses": [_turns(response) for response in item.responses], "ranks": joint_ranks(verdict)}


def joint_ranks(verdict: ItemVerdict) -> list[float]:
    """Return the ranks by the mean over the judges that have a ranking."""
    rankings = [one.ranks for one in verdict.found if isinstance(one, RankedResponses)]
    kept = [ranks for ranks in rankings if not isinstance(ranks, NoVerdict)]
    return list(ranks_of([sum(column) for column in zip(*kept, strict=True)]))


def _checked(item: JudgedItem, verdict: ItemVerdict) -> dict[str, Any]:
    met = [list(one.met) for one in verdict.found if isinstance(one, RubricVerdict)]
    return {
        "completion": _turns(item.responses[0]),
        "score": verdict.value,
        "met": met[0] if len(met) == 1 else met,
        "rubric": [asdict(each) for each in item.record.rubric],
    }


def _scored(item: JudgedItem, verdict: ItemVerdict) -> dict[str, Any]:
    scores = [one for one in verdict.found if isinstance(one, Mapping)]
    axes = {name: sum(one[name] for one in scores) / len(scores) for name in scores[0]}
    return {"completion": _turns(item.responses[0]), "score": verdict.value, "axes": axes}


def _turns(response: Response) -> list[Mapping[str, Any]]:
    return [turn.as_dict() for turn in response.turns]


_ROWS = {"pairwise": _pair, "ranking": _ranked, "rubric": _checked, "axes": _scored}


def shown_first(verdicts: Sequence[ItemVerdict], most: int) -> list[ItemVerdict]:
    """Return verdicts for a page: those without one first, then the least certain."""

    def doubt(verdict: ItemVerdict) -> float:
        return -1.0 if isinstance(verdict.value, NoVerdict) else abs(verdict.value - 0.5)

    return sorted(verdicts, key=doubt)[:most]
