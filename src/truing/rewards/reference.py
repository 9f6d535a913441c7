"""The reference answer of a row, with which rules compare a response; data sets keep it in various columns.

    {"prompt": …, "reward_model": {"style": "rule", "ground_truth": "5"}}    verl
    {"problem": …, "solution": "… so it is \\boxed{5}"}                        open-r1
    {"question": …, "answer": "… #### 5"}                                     GSM8K

To look in another column, add it to `PLACES`. The first column that a row has counts; the row's own response
comes after `solution`. Numbers, true and false are read as the text they are written as.
"""

import json
from collections.abc import Mapping

from truing.data.fields import words

VERL = "reward_model"
PLACES = (f"{VERL}.ground_truth", "ground_truth", "solution", "answer")


def reference_of(columns: Mapping[str, object], own: str | None) -> str | None:
    """Return the reference answer of a row, from its columns or its own best response; None without any."""
    given = (_ground_truth(columns.get(VERL)), columns.get("ground_truth"), columns.get("solution"))
    found = next((text for one in given if (text := _text(one)) is not None), own)
    return _text(columns.get("answer")) if found is None else found


def _ground_truth(value: object) -> object:
    """Return the answer in verl's column, also where the column is JSON text."""
    if isinstance(value, str) and value.lstrip().startswith("{"):
        try:
            value = json.loads(value)
        except ValueError:
            return None
    found = value.get("ground_truth") if isinstance(value, Mapping) else None
    return found[0] if isinstance(found, list) and len(found) == 1 else found


def _text(value: object) -> str | None:
    found = words(value)
    return found if isinstance(found, str) and found.strip() else None
