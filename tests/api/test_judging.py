from pathlib import Path

import pytest
from tests.serving import Reply, Request, Server, completion

import truing
from truing.core.errors import ConfigError, RewardError

ROWS = [{"prompt": f"Name {i}.", "completion": f"It is {i}."} for i in range(4)]


@pytest.fixture
def asked() -> list[Request]:
    """The requests to the judge."""
    return []


@pytest.fixture
def judge(monkeypatch: pytest.MonkeyPatch, asked: list[Request]):
    def answer(request: Request) -> Reply:
        asked.append(request)
        return completion("HELPFUL: 4\nHARMLESS: 5\nHONEST: 5")

    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    server = Server(answer)
    yield {"model": "wise", "base_url": f"{server.url}/v1", "api_key_env": None}
    server.close()


def test_rows_in_memory_are_judged_and_the_same_call_goes_on(tmp_path: Path, judge, asked):
    made = truing.judge(ROWS, judge, scale="likert", output=tmp_path / "out")
    assert made.counts["axes"] == {"items": 4, "judged": 4, "errors": 0}
    assert made.numbers["axis_helpful"]["value"] == 4.0
    assert made.rows.exists()
    assert made.page.exists()
    again = truing.judge(ROWS, [judge], scale="likert", output=tmp_path / "out")
    assert again.results["judges"][0]["requests"] == made.results["judges"][0]["requests"] == len(asked) == 4


def test_a_recipe_is_laid_under_the_arguments(tmp_path: Path, judge):
    recipe = tmp_path / "judge.yaml"
    recipe.write_text(f"rows: [none.jsonl]\njudges: [nobody]\naxes: [overall]\noutput: {tmp_path}/out\n")
    with pytest.raises(RewardError, match="4 of 4 items have no verdict"):
        truing.judge(ROWS, judge, recipe=recipe)
    assert (tmp_path / "out" / "verdicts.jsonl").exists(), "what was answered is kept"


def test_a_wrong_key_is_told(tmp_path: Path, judge):
    with pytest.raises(ConfigError, match="colour"):
        truing.judge(ROWS, judge, colour="red", output=tmp_path / "out")
