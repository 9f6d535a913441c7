"""A hardening writes its page."""

from pathlib import Path
from typing import Any

import pytest
from tests.pipelines.harden.conftest import Watch

from truing.config.harden import HardenRecipe
from truing.pipelines.harden.entry import harden_recipe


@pytest.mark.usefixtures("few")
def test_the_page_stands_beside_the_results(tmp_path: Path, model_folder: Path, watch: Watch):
    plan: dict[str, Any] = {"policy": str(model_folder), "topics": 2, "rounds": 1, "control": False}
    plan |= {"attacks": ["plain"], "held_out_attacks": ["json"], "per_category": 1, "max_new_tokens": 3}
    recipe = HardenRecipe.model_validate(
        {"harden": plan, "output": str(tmp_path / "out"), "page_language": "zh"}
    )
    done = harden_recipe(recipe, lambda line: None, watch, watch.steps)
    page = (done.path / "report.html").read_text(encoding="utf-8")
    assert '<html lang="zh' in page
    assert (done.path / "results.json").exists()
