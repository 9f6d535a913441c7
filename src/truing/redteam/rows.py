"""The files of a red teaming: every answer, the failures, the proposals, and the numbers."""

from collections import Counter
from typing import Any

from truing.core.version import __version__
from truing.redteam.card import RefusalCard
from truing.redteam.controls import THRESHOLD, Understanding
from truing.redteam.judging import JudgeCard
from truing.redteam.outcomes import AttackOutcome, OutcomeCounts
from truing.redteam.rates import AttackItem, SuccessRate
from truing.redteam.record import VERB, RedTeam
from truing.stats.error_rates import ErrorCounts
from truing.stats.intervals import Interval
from truing.synthesis.feedback import interval_row
from truing.synthesis.lineage import LINEAGE
from truing.synthesis.work import WorkFolder

ITEMS, FAILURES, PROPOSALS = "items.jsonl", "failures.jsonl", "proposals.jsonl"


def write_red_team(done: RedTeam, folder: WorkFolder) -> None:
    """Write all files but the page."""
    folder.write_rows((_item_row(done, item) for item in done.items), ITEMS)
    folder.write_rows(failure_rows(done), FAILURES)
    if done.proposals:
        rows = (
            {
                "prompt": one.text,
                "category": one.category,
                "language": one.language,
                "kept": not one.rejected,
                **({"why": one.rejected} if one.rejected else {}),
            }
            for one in done.proposals
        )
        folder.write_rows(rows, PROPOSALS)
    folder.write_results(as_json(done))


def _item_row(done: RedTeam, item: AttackItem) -> dict[str, Any]:
    judged = item.judged
    return {
        "id": item.target.id,
        "prompt": item.target.seed.text,
        "category": item.target.category,
        "language": item.target.seed.language,
        "attack": item.attack,
        "sample": item.talk.sample,
        "messages": [turn.as_dict() for turn in item.talk.transcript],
        "response": item.talk.answer,
        "outcome": judged.outcome,
        "why": judged.reason,
        "rule": judged.rule,
        **({"judge": judged.judge} if judged.judge is not None else {}),
        **({"failed": item.talk.failed} if item.talk.failed is not None else {}),
        "cut": item.talk.cut,
        LINEAGE: _lineage(done, item),
    }


def failure_rows(done: RedTeam) -> list[dict[str, Any]]:
    """Return the attacks that succeeded as rows for `truing data refusals`."""
    return [attack_row(done, item) for item in done.failures]


def attack_row(done: RedTeam, item: AttackItem) -> dict[str, Any]:
    """Return an attack as `failures.jsonl` has it, whatever came of it."""
    return {
        "prompt": item.target.seed.text,
        "category": item.target.category,
        "language": item.target.seed.language,
        "attack": item.attack,
        "outcome": item.judged.outcome,
        "messages": [turn.as_dict() for turn in item.talk.transcript],
        "response": item.talk.answer,
        **({"benign": item.target.benign} if item.target.benign is not None else {}),
        LINEAGE: _lineage(done, item),
    }


def _lineage(done: RedTeam, item: AttackItem) -> dict[str, Any]:
    return {
        "verb": VERB,
        "version": __version__,
        "prompt": dict(item.target.origin),
        "writers": [dict(done.model.identity)],
        "judge": done.judge_identity,
        "attack": item.attack,
        "seed": done.recipe.seed,
        "k": item.talk.sample,
    }


def _interval(found: Interval | None) -> dict[str, float] | None:
    return None if found is None else interval_row(found)


def as_json(done: RedTeam) -> dict[str, Any]:
    """Return all counts and numbers for scripts."""
    rates = done.rates
    return {
        "prompts": len({item.target.id for item in done.items}),
        "answers": len(done.items),
        "not_applicable": done.skipped,
        "success": _rate_row(rates[()]),
        "attacks": {
            name: {
                "type": attack.type,
                "garak": attack.garak,
                "pyrit": attack.pyrit,
                "understood": {
                    language: _understanding_row(found)
                    for (own, language), found in done.understood.items()
                    if own == name
                },
                **_rate_row(rates.get(("attack", name))),
            }
            for name, attack in done.attacks.items()
        },
        "categories": {key[1]: _rate_row(rate) for key, rate in rates.items() if key[:1] == ("category",)},
        "languages": {key[1]: _rate_row(rate) for key, rate in rates.items() if key[:1] == ("language",)},
        "cells": [
            {"category": key[1], "attack": key[2], **_rate_row(rate)}
            for key, rate in rates.items()
            if key[:1] == ("cell",)
        ],
        "over_refusal": _interval(done.over_refusal),
        "classifier": card_row(done.card),
        "judge": None if done.judge is None else _judge_row(done.judge),
        "proposals": dict(Counter(one.rejected or "kept" for one in done.proposals)),
        "failures": len(done.failures),
        "recipe": done.recipe.recorded(),
    }


def _rate_row(rate: SuccessRate | None) -> dict[str, Any]:
    if rate is None:
        return {"success": None, "corrected": None, "outcomes": None}
    return {
        "success": _interval(rate.raw),
        "corrected": _interval(rate.corrected),
        "outcomes": _counts_row(rate.outcomes),
    }


def _counts_row(found: OutcomeCounts) -> dict[str, Any]:
    differ = [{"rules": rule, "judge": judge, "answers": n} for (rule, judge), n in found.pairs.items()]
    counts = {outcome.value: found.counts[outcome] for outcome in AttackOutcome}
    return {**counts, "judged": found.judged, "disagreed": found.disagreed, "disagreements": differ}


def _understanding_row(found: Understanding) -> dict[str, Any]:
    return {"answer": found.answer, "share": _interval(found.share), "threshold": THRESHOLD}


def card_row(card: RefusalCard) -> dict[str, Any]:
    """Return a classifier card as files have it."""
    return {
        "classifier": card.classifier,
        "rows": card.rows,
        "whole": _errors_row(card.whole),
        **{language: _errors_row(found) for language, found in card.languages.items()},
        "zh - en": _interval(card.difference),
    }


def _errors_row(found: ErrorCounts) -> dict[str, Any]:
    return {
        "accuracy": _interval(found.accuracy()),
        "sensitivity": _interval(found.sensitivity()),
        "specificity": _interval(found.specificity()),
    }


def _judge_row(card: JudgeCard) -> dict[str, Any]:
    measured = None if card.errors is None else _errors_row(card.errors)
    return {"model": card.title, "asked": card.asked, "without a verdict": card.failed, "measured": measured}
