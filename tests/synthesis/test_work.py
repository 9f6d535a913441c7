"""A folder of a verb goes on with the same request, refuses another, and has one worker at a time."""

import json
from contextlib import suppress
from pathlib import Path

import pytest

from truing.config.holding import holder
from truing.core.errors import ConfigError, RewardError, UsageError
from truing.judges.cache import KeptAnswer
from truing.synthesis.work import ROWS, answers_in, work_folder

ASKED = {"recipe": {"prompts": ["p.jsonl"], "seed": 0, "judge": {"model": "m", "timeout": 60}}}


def changed(**judge: object) -> dict[str, object]:
    return {"recipe": {**ASKED["recipe"], "judge": {**ASKED["recipe"]["judge"], **judge}}}


def test_the_same_request_goes_on(tmp_path: Path):
    with work_folder(tmp_path / "w", "feedback", ASKED) as folder:
        assert not folder.continued
        answers_in(folder.path).put("a", "1")
    with work_folder(tmp_path / "w", "feedback", ASKED) as folder:
        assert folder.continued
        assert answers_in(folder.path).get("a") == "1"
    assert holder(tmp_path / "w") is None


def test_another_request_is_refused_and_named(tmp_path: Path):
    with work_folder(tmp_path, "feedback", ASKED):
        pass
    with (
        pytest.raises(ConfigError, match=r'judge\.model: was "m", is "n"') as caught,
        work_folder(tmp_path, "feedback", changed(model="n")),
    ):
        pass
    assert str(tmp_path) in caught.value.hint
    with pytest.raises(ConfigError, match='verb: was "feedback"'), work_folder(tmp_path, "judge", ASKED):
        pass
    with work_folder(tmp_path, "feedback", ASKED) as folder:
        assert folder.continued, "a refused request changes nothing"


def test_speed_and_budgets_may_change(tmp_path: Path):
    with work_folder(tmp_path, "feedback", ASKED):
        pass
    with work_folder(tmp_path, "feedback", changed(timeout=5, concurrency=2, max_requests=9)) as folder:
        assert folder.continued


def test_one_worker_at_a_time(tmp_path: Path):
    with (
        work_folder(tmp_path, "feedback", ASKED),
        pytest.raises(UsageError, match="in use"),
        work_folder(tmp_path, "feedback", ASKED),
    ):
        pass


def test_rows_and_results_are_whole_files(tmp_path: Path):
    with work_folder(tmp_path, "feedback", ASKED) as folder:
        folder.write_rows([{"a": 1}])
        folder.write_rows([{"a": "二"}])
        folder.write_results({"n": 1})
    assert (tmp_path / ROWS).read_text(encoding="utf-8") == '{"a": "二"}\n'
    results = json.loads((tmp_path / "results.json").read_text())
    assert results["n"] == 1
    assert results["versions"]["truing"]


@pytest.mark.parametrize(
    ("end", "kept"), [(None, ""), (RewardError("too many"), ""), (KeyboardInterrupt(), "no verdict")]
)
def test_what_failed_is_asked_again_unless_the_work_was_cut_short(
    tmp_path: Path, end: BaseException | None, kept: str
):
    answers = answers_in(tmp_path)
    with suppress(RewardError, KeyboardInterrupt), work_folder(tmp_path, "judge", changed()):
        answers.put_all([KeptAnswer("question", None, failure="no verdict")])
        if end is not None:
            raise end
    assert answers.failure("question") == kept
