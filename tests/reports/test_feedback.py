"""The page of feedback accounts for every pair, in English and in Chinese."""

from pathlib import Path

import pytest

from truing.config.feedback import FeedbackRecipe
from truing.core.languages import Language
from truing.core.words import speaking
from truing.pipelines.feedback import feedback_recipe
from truing.reports.feedback import feedback_report
from truing.reports.page import render_report


@pytest.fixture(scope="module")
def done(model_folder: Path, reward_folder: Path, tmp_path_factory: pytest.TempPathFactory):
    folder = tmp_path_factory.mktemp("feedback")
    prompts = folder / "p.jsonl"
    prompts.write_text('{"prompt": "<b>one</b>", "category": "c"}\n{"prompt": "two"}\n')
    asked = {
        "prompts": [str(prompts)],
        "policies": [str(model_folder), {"path": str(model_folder)}],
        "judge": str(reward_folder),
        "k": 2,
        "max_new_tokens": 8,
        "sure": 0.5,
        "output": str(folder / "out"),
    }
    return feedback_recipe(FeedbackRecipe.model_validate(asked), lambda line: None, lambda *seen: None)


@pytest.mark.parametrize(("language", "title"), [("en", "Responses by strength"), ("zh", "按强度排列的回答")])
def test_the_page(done, language: Language, title: str):
    with speaking(language):
        report = feedback_report(done)
        page = render_report(report)
    assert title in page
    assert "<b>one</b>" not in page, "texts are escaped"
    assert f"{done.choice.compared} " in report.summary
    assert sum(one.kept for one in report.data) == sum(len(pool.responses) for pool in done.pools)
