"""A file of true answers, and a call that makes negatives of it in a folder of the test's own."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from truing.config.negatives import NegativesRecipe
from truing.core.messages import Say
from truing.synthesis.negatives.run import Negatives, make_negatives

FACTS = [
    {"prompt": "How long is the bridge?", "completion": "The bridge is 2,450 metres long."},
    {"prompt": "基金规模多大？", "completion": "该基金规模为12.4亿元，预计2027年将达到20亿元。"},
    {"prompt": "When does it open?", "completion": "It opens on Monday at one of the gates."},
]
Make = Callable[..., Negatives]


def silent(*seen: object) -> None:
    """Show nothing."""


@pytest.fixture
def make(tmp_path: Path) -> Make:
    def run(rows: list[dict[str, Any]] | None = None, say: Say = silent, **changes: Any) -> Negatives:
        path = tmp_path / "facts.jsonl"
        lines = [json.dumps(row, ensure_ascii=False) + "\n" for row in rows or FACTS]
        path.write_text("".join(lines), encoding="utf-8")
        asked = {"prompts": [str(path)], "output": str(tmp_path / "out"), "max_new_tokens": 6}
        if changes.get("by", "rules") == "rules":
            del asked["max_new_tokens"]
        return make_negatives(NegativesRecipe.model_validate(asked | changes), say, silent)

    return run
