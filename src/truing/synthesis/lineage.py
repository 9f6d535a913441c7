"""The lineage of a row that models made: who wrote it, from which prompt, under which rule.

    {"verb": "feedback", "version": "0.3.0", "prompt": {"file": "p.jsonl", "row": 3, "sha256": …},
     "writers": [{"model": "runs/mine", "contents": {…}}], "judge": {…}, "seed": 0, "k": [2, 0]}

A row keeps it under `lineage`, through every file that is made of the row. `truing data show --why ROW`
tells it in words.
"""

from collections.abc import Mapping
from typing import Any

from truing.core.records import Record
from truing.core.version import __version__
from truing.synthesis.prompts import PromptSet

LINEAGE = "lineage"


def lineage(verb: str, prompts: PromptSet, record: Record, **facts: Any) -> dict[str, Any]:
    """Return the lineage of a row that `verb` made from a prompt.

    `facts` are the roles that took part, each by its `identity`, and what decided the row: `principle`,
    `attack`, `seed`, `k`. Where the prompt's row has a lineage of its own, it is kept under `from`.
    """
    earlier = record.columns.get(LINEAGE)
    own: dict[str, Any] = {"verb": verb, "version": __version__, "prompt": prompts.origin(record)}
    own |= {key: dict(one) if isinstance(one, Mapping) else one for key, one in facts.items()}
    return own | ({"from": earlier} if isinstance(earlier, Mapping) else {})
