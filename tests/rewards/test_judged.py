import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from truing.config.rewards import RewardPart
from truing.core.errors import ConfigError, RewardError
from truing.core.records import user
from truing.rewards.build import build_mix
from truing.rewards.mix import Mix
from truing.rewards.types import Failed, Item, ScoredItem

from ..serving import Reply, Request, Server, completion

PAGE = Path(__file__).parents[2] / "docs" / "judges.md"
KEY = "sk-very-secret-0123456789"


class Grader:
    """A server whose model scores a response by the number in it, and has no verdict where there is none."""

    def __init__(self) -> None:
        self.questions: list[str] = []
        self.status = 200
        self.server = Server(self.answer)

    def answer(self, request: Request) -> Reply:
        question = request.body["messages"][0]["content"]
        self.questions.append(question)
        number = re.search(r"response>>\nmark (\d+)\n", question)
        said = completion(f"I think so.\nSCORE: {number[1]}" if number else "I cannot tell.")
        return replace(said, status=self.status)


@pytest.fixture
def grader(monkeypatch: pytest.MonkeyPatch) -> Iterator[Grader]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    grader = Grader()
    yield grader
    grader.server.close()


def mix_of(grader: Grader, *others: dict[str, Any], skip_failed: float = 1.0, **options: Any) -> Mix:
    own = {"name": "judge", "model": "wise", "base_url": f"{grader.server.url}/v1", "retries": 0, **options}
    return build_mix([RewardPart.model_validate(one) for one in (own, *others)], skip_failed=skip_failed)


def marks(*texts: str) -> list[Item]:
    return [Item(user("Why?"), text, place=f"rows.jsonl:{i}") for i, text in enumerate(texts, start=1)]


def test_scores_are_between_0_and_1_and_failures_are_counted(grader: Grader):
    mix = mix_of(grader, {"name": "format", "weight": 0})
    scores = mix(marks("mark 1", "mark 10", "no mark", "mark 11"))
    first, second, third, fourth = scores.parts["judge"]
    assert [first, second] == [ScoredItem(0.0), ScoredItem(1.0)]
    assert third == Failed(
        "wise on item 2 (rows.jsonl:3): the answer does not end with a score: 'I cannot tell.'"
    )
    assert fourth == Failed("wise on item 3 (rows.jsonl:4): the score 11 is not between 1 and 10")
    assert scores.totals == [0.0, 1.0, None, None]
    assert scores.metrics()["rewards/judge/failures"] == 2.0
    assert scores.metrics()["rewards/judge/mean"] == 0.5


def test_a_judge_is_waited_for_beside_the_rest(grader: Grader):
    assert [part.waits for part in mix_of(grader, {"name": "format"}).parts] == [True, False]


def test_too_many_failures_stop_the_run(grader: Grader):
    grader.status = 500
    with pytest.raises(RewardError, match=r"2 of 2 responses have no reward(.|\n)*500") as error:
        mix_of(grader, skip_failed=0.1)(marks("mark 1", "mark 2"))
    assert error.value.exit_code == 6
    assert KEY not in str(error.value)


def test_a_wrong_key_stops_the_run_whatever_may_fail(grader: Grader):
    grader.status = 401
    with pytest.raises(RewardError, match="401") as error:
        mix_of(grader)(marks("mark 1"))
    assert "api_key_env" in error.value.hint


def test_options_arrive(grader: Grader, tmp_path: Path):
    template = tmp_path / "mine.md"
    template.write_text("Rubric: $rubric\n$low to $high\n$response\n")
    mix = mix_of(grader, rubric="Be kind.", scale=[0, 4], template=str(template))
    assert mix(marks("mark 1")).totals == [0.25]
    assert re.fullmatch(r"Rubric: Be kind\.\n0 to 4\n<<\w+ response>>\nmark 1\n.*\n", grader.questions[0])


def test_a_run_that_goes_on_asks_nothing_twice(grader: Grader, tmp_path: Path):
    cache = str(tmp_path / "judge.sqlite")
    first = mix_of(grader, cache=cache)(marks("mark 3", "no mark", "mark 7"))
    assert len(grader.questions) == 3
    second = mix_of(grader, cache=cache)(marks("mark 7", "mark 3", "no mark"))
    assert second.totals == [first.totals[2], first.totals[0], None]
    assert len(grader.questions) == 4, "only the failure is asked again"


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"model": ""}, "model of the reward 'judge' is ''"),
        ({"scale": [1]}, "scale of the reward 'judge' is \\[1\\]"),
        ({"scale": [1, "ten"]}, "scale of the reward 'judge'"),
        ({"scale": [10, 1]}, "scale is 10 to 1"),
        ({"retry": 3}, "takes api_key_env, base_url, .*, not 'retry'; did you mean 'retries'"),
        ({"timeout": 0}, "timeout of the reward 'judge' is 0"),
        ({"concurrency": 0}, "concurrency of the reward 'judge' is 0"),
        ({"base_url": "localhost"}, "base_url is 'localhost'"),
        ({"template": "/nowhere.md"}, "the template /nowhere.md cannot be read"),
        ({"api_key_env": "NO_SUCH_KEY"}, "environment variable NO_SUCH_KEY .* is not set"),
    ],
)
def test_mistakes_are_told_before_anything_is_asked(grader: Grader, options: dict[str, Any], told: str):
    with pytest.raises(ConfigError, match=told):
        mix_of(grader, **options)
    assert grader.questions == []


def test_a_judge_needs_a_model():
    with pytest.raises(ConfigError, match="the reward 'judge' needs model"):
        build_mix([RewardPart.model_validate({"name": "judge"})])


def test_the_recipes_of_the_page_are_right(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    snippets = re.findall(r"```yaml\n(.*?)```", PAGE.read_text(), re.DOTALL)
    assert snippets
    for snippet in snippets:
        parts = [RewardPart.model_validate(one) for one in yaml.safe_load(snippet)["rewards"]]
        assert "judge" in [part.title for part in build_mix(parts).parts]


def test_the_page_names_every_option():
    with pytest.raises(ConfigError) as error:
        build_mix([RewardPart.model_validate({"name": "judge", "nothing": 1})])
    told = re.search(r"takes (.*), not", str(error.value))
    assert told
    for option in told[1].split(", "):
        assert f"`{option}`" in PAGE.read_text(), option
