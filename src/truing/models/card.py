"""The model card: the content of a folder, its origin, and its measured results."""

import re
from collections.abc import Mapping
from typing import Any

import yaml

from truing.core.version import __version__

_HUB_NAME = re.compile(r"[\w.-]+/[\w.-]+")
_FRONT_MATTER = ("base_model", "license", "language", "datasets")


def model_card(
    title: str, facts: Mapping[str, Any], *, library: str, evaluation: Mapping[str, Any] | None = None
) -> str:
    """Write a README in the hub's form: YAML front matter, a table of the other facts, and results.

    `base_model` goes to the front matter only when it is a hub name: the hub refuses a path there.
    """
    front = {key: facts[key] for key in _FRONT_MATTER if key in facts}
    if not _HUB_NAME.fullmatch(str(front.get("base_model", ""))):
        front.pop("base_model", None)
    front |= {"library_name": library, "tags": ["truing", "alignment", *facts.get("tags", ())]}
    rows = {key: value for key, value in facts.items() if key not in front}
    table = ["| | |", "|---|---|", *(f"| {_cell(key)} | {_cell(value)} |" for key, value in rows.items())]
    parts = [
        f"---\n{yaml.safe_dump(front, sort_keys=False, allow_unicode=True)}---",
        f"# {title}",
        f"Written by truing {__version__}.",
        *(["\n".join(table)] if rows else []),
        *(_evaluation(evaluation) if evaluation else []),
    ]
    return "\n\n".join(parts) + "\n"


def facts_of_rows(counts: Mapping[str, Any] | None) -> dict[str, str]:
    """Return the facts of a card that account for the rows of a run, as `rows.json` counts them.

    A row that was read is kept or set aside, for a reason that is named with its count.
    """
    if counts is None:
        return {}
    found = {"rows": f"{counts['kept']} of {counts['read'] + counts['made']} kept"}
    named = {"set_aside": "rows set aside", "cut": "rows cut", "notes": "noticed in the rows"}
    for name, title in named.items():
        if parts := counts.get(name):
            found[title] = ", ".join(f"{count} {reason}" for reason, count in parts.items())
    if shared := counts.get("in_evaluation"):
        found["rows in the evaluation too"] = str(shared)
    return found


def _evaluation(found: Mapping[str, Any]) -> list[str]:
    """Return the lines of an evaluation: its numbers with intervals, and the results of its gates."""
    held = found["against"]
    rows = [f"| Measured | This model |{' Before |' if held else ''}", f"|---|---|{'---|' if held else ''}"]
    for number in found["numbers"].values():
        sides = [_measured(number["model"], number["unit"])]
        sides += [_measured(number["against"], number["unit"])] if held else []
        rows.append(f"| {_cell(number['title'])} | {' | '.join(sides)} |")
    about = "Measured by `truing eval`, with 95 % intervals."
    if held:
        about += f" Before is {_cell(held)}."
    gates = [f"{'met' if gate['met'] else 'missed'}: {gate['name']}" for gate in found["gates"]]
    return ["## Evaluation", about, "\n".join(rows), *(["Gates " + ", ".join(gates) + "."] if gates else [])]


def _measured(side: Mapping[str, Any] | None, unit: str) -> str:
    if side is None or side["value"] is None:
        return "—"
    factor, sign = (100, " %") if unit == "%" else (1, f" {unit}" if unit else "")
    value, *ends = (None if side[key] is None else side[key] * factor for key in ("value", "low", "high"))
    shown = " to ".join("?" if end is None else f"{end:.3g}" for end in ends)
    missing = f", {side['missing']} missing" if side["missing"] else ""
    return f"{value:.3g}{sign} ({shown}; n {side['n']}{missing})"


def _cell(value: object) -> str:
    return str(value).replace("|", "\\|").replace("\n", " ")
