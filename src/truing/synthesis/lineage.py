"""The lineage of a row that models made: who wrote it, from which prompt, under which rule.

    {"verb": "feedback", "version": "0.3.0", "prompt": {"file": "p.jsonl", "row": 3, "sha256": …},
     "writers": [{"model": "runs/mine", "contents": {…}}], "judge": {…}, "seed": 0, "k": [2, 0]}

A row keeps it under `lineage`, through every file that is made of the row. `truing data show --why ROW`
tells it in words.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from truing.core.messages import Sentence, joined, message
from truing.core.records import Record
from truing.core.version import __version__
from truing.synthesis.prompts import PromptSet

LINEAGE = "lineage"
SHOWN = 12  # characters of a hash


def lineage(verb: str, prompts: PromptSet, record: Record, **facts: Any) -> dict[str, Any]:
    """Return the lineage of a row that `verb` made from a prompt.

    `facts` are the roles that took part, each by its `identity`, and what decided the row: `principle`,
    `attack`, `seed`, `k`. Where the prompt's row has a lineage of its own, it is kept under `from`.
    """
    earlier = record.columns.get(LINEAGE)
    own: dict[str, Any] = {"verb": verb, "version": __version__, "prompt": prompts.origin(record)}
    own |= {key: dict(one) if isinstance(one, Mapping) else one for key, one in facts.items()}
    return own | ({"from": earlier} if isinstance(earlier, Mapping) else {})


def told_lineage(found: Mapping[str, Any]) -> list[Sentence]:
    """Tell a lineage in lines: the verb, the prompt's row, who took part, what decided; then earlier ones.

    Values that are not known here are told by their key, so that a lineage of a later version is told too.
    """
    made = "made by truing {verb}, version {version}"
    lines = [message(made, verb=_text(found, "verb"), version=_text(found, "version"))]
    prompt = found.get("prompt")
    if isinstance(prompt, Mapping):
        said = "prompt: row {row} of {file} (sha256 {digest})"
        digest = _text(prompt, "sha256")[:SHOWN]
        lines.append(message(said, row=_text(prompt, "row"), file=_text(prompt, "file"), digest=digest))
    told = {"verb", "version", "prompt", "from"}
    lines += [
        joined(": ", [message(key), _value(value)])
        for key, value in found.items()
        if key not in told and value not in (None, "", [], {})
    ]
    earlier = found.get("from")
    return [*lines, *(told_lineage(earlier) if isinstance(earlier, Mapping) else [])]


def _text(found: Mapping[str, Any], key: str) -> str:
    return str(found.get(key, "?"))


def _value(value: Any) -> str:
    """Return a value in words: a role by its name and the hash of its weights, a list by its parts."""
    if isinstance(value, Mapping):
        return ", ".join(_parts(value))
    if isinstance(value, list | tuple):
        return "; ".join(map(_value, value))
    return str(value)


def _parts(value: Mapping[str, Any]) -> Iterator[str]:
    for key, one in value.items():
        if key == "contents" and isinstance(one, Mapping) and "weights" in one:
            yield f"weights {str(one['weights'])[:SHOWN]}"
        elif isinstance(one, Mapping | list | tuple):
            yield f"{key} ({_value(one)})"
        elif one is not None:
            yield str(one) if key in ("model", "name") else f"{key} {one}"
