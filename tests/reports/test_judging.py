"""The page of a judging shows its numbers, flags and doubtful verdicts, in both languages."""

import json
from pathlib import Path

import pytest
from tests.serving import Server, completion

from truing.config.judging import JudgingRecipe
from truing.core.words import speaking
from truing.pipelines.judging import judge_files
from truing.reports.judging import AUDITED, TITLES, judging_report
from truing.reports.page import render_report


@pytest.fixture
def judged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A judge that always names the first place, held against twelve labelled pairs."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    server = Server(lambda request: completion("VERDICT: A"))
    rows = tmp_path / "rows.jsonl"
    pairs = [
        {"prompt": f"Why {i}?", "chosen": f"good {i} <script>alert(1)</script>", "rejected": f"bad {i}"}
        for i in range(12)
    ]
    rows.write_text("".join(json.dumps(pair) + "\n" for pair in pairs))
    judge = {"model": "wise", "base_url": f"{server.url}/v1", "api_key_env": None}
    recipe = JudgingRecipe(rows=(str(rows),), judges=(judge,), audit=True, output=str(tmp_path / "out"))
    done, audits, _ = judge_files(recipe, lambda line: None, lambda *seen: None)
    server.close()
    return done, audits


def test_a_bias_stands_above_all_else_and_texts_are_data(judged):
    page = render_report(judging_report(*judged))
    assert "wise goes by places: 12 of 12 verdicts change with them" in page
    assert "12 of 12 items have a verdict; 0 have none." in page
    assert "Verdicts that change with the places" in page
    assert "<script>alert" not in page
    assert "truing judge recipe.yaml" in page


def test_the_page_is_chinese_where_it_is_asked_for(judged):
    with speaking("zh"):
        page = render_report(judging_report(*judged))
    assert "wise 按位置判断：12 个结论中有 12 个随位置改变" in page
    assert "随位置改变的结论" in page
    assert "Agreement with" not in page


def test_every_number_has_a_title():
    assert all(title[0].isupper() for title in [*AUDITED.values(), *TITLES.values()])
    assert len({*AUDITED.values()}) == len(AUDITED)
