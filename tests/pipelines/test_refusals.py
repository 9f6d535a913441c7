"""Refusals for a tiny model, and the recipe beside them: it trains as it stands."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.redteam.failed import failure, headlines, write

from truing.config.config import load_recipe
from truing.config.refusals import RefusalsRecipe
from truing.config.stages import Stage
from truing.pipelines.refusals import refusals_recipe
from truing.pipelines.stages import planned
from truing.redteam.refusals import Refusals
from truing.runs.opened import plan_of


@pytest.fixture
def made(tmp_path: Path, model_folder: Path) -> Callable[..., Refusals]:
    rows = [failure(one, attack) for one in headlines("train", "en", 2) for attack in ("plain", "prefix")]
    path = write(tmp_path / "failures.jsonl", rows)

    def run(**changes: Any) -> Refusals:
        asked = {"prompts": [str(path)], "policy": str(model_folder), "output": str(tmp_path / "refusals")}
        asked |= {"max_new_tokens": 4, "begun": 3}
        found = RefusalsRecipe.model_validate(asked | changes)
        return refusals_recipe(found, lambda line: None, lambda *seen: None)

    return run


def test_the_recipe_beside_the_rows_can_be_trained(made: Callable[..., Refusals]):
    done = made()
    recipe = load_recipe(done.path / "train.yaml").recipe
    assert recipe.method == "sft"
    assert list(recipe.data.retain or ()) == [str(done.path / "retain.jsonl")]
    (stage,) = planned([Stage("sft", recipe, ())])
    assert stage.run == done.path / "sft"


def test_an_epoch_goes_through_all_that_is_retained(made: Callable[..., Refusals]):
    done = made(balance=3.0)
    recipe = load_recipe(done.path / "train.yaml").recipe
    refusals, retained = len(done.sft), len(done.retain)
    assert retained > 2 * refusals
    each = recipe.optim.items_per_step
    plan = plan_of(recipe, each * refusals, each * retained)
    kept = [item for step in range(1, plan.steps_per_epoch + 1) for item in plan.items_of(step)]
    assert sum(item >= each * refusals for item in kept) == pytest.approx(each * retained, rel=0.1)


def test_a_recipe_that_was_changed_by_hand_stays(made: Callable[..., Refusals]):
    done = made()
    (done.path / "train.yaml").write_text("mine: 1\n")
    made()
    assert (done.path / "train.yaml").read_text() == "mine: 1\n"


def test_the_page_shows_refusals_and_the_account(made: Callable[..., Refusals]):
    page = (made(page_language="zh").path / "report.html").read_text(encoding="utf-8")
    assert "的拒绝" in page
    assert headlines("train", "en", 1)[0].refusal[:20] in page.replace("&#39;", "'")
