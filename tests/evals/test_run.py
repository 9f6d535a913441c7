"""An evaluation from its recipe to its files, on speakers whose responses are known."""

import json
from pathlib import Path

import pytest

from truing.config.evaluation import EvalRecipe
from truing.core.errors import GateError, RewardError
from truing.core.records import user
from truing.evals import run as module
from truing.evals.bench import Marks, Task, TaskResult, score
from truing.evals.numbers import Number
from truing.evals.run import Evaluation, as_json, evaluate, item_rows, require_passed, write_evaluation
from truing.evals.sides import Question, Side
from truing.sampling.types import Finish, Sample

NUMBER = Number("polite", "Polite", "%", "higher", "Share that is polite.")


class Polite:
    """A speaker that is polite to every second prompt."""

    def prompt_ids(self, asked) -> list[int]:
        return [1]

    def answer(self, prompts, *_, **__) -> list[Sample]:
        return [Sample([1], [0.0], ("please", "no")[p % 2], Finish.STOP, p, 0) for p in range(len(prompts))]


def polite(bench) -> TaskResult:
    asked = bench.ask([Question(str(n), user(str(n))) for n in range(8)], 4)
    scored = score(asked, lambda rs: [Marks({"polite": float(r.text == "please")}) for r in rs])
    return TaskResult([scored.finding(NUMBER, "polite")], [scored])


@pytest.fixture
def done(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    def run(result=polite, **changes) -> Evaluation:
        monkeypatch.setattr(module, "build_tasks", lambda recipe: {"manners": Task((NUMBER,), result)})
        monkeypatch.setattr(module, "Side", lambda source, opener, **_: Side(source, Polite))
        return evaluate(
            EvalRecipe(model="m", output=str(tmp_path), **changes), lambda line: None, lambda *_: None
        )

    return run


def test_numbers_and_rows_are_written_whole(done, tmp_path: Path):
    found = done()
    write_evaluation(found, tmp_path / "out")
    told = json.loads((tmp_path / "out" / "results.json").read_text())
    assert told["numbers"]["polite"]["model"]["value"] == 0.5 and told["passed"] is True
    rows = [json.loads(line) for line in (tmp_path / "out" / "items.jsonl").read_text().splitlines()]
    assert rows == list(item_rows(found)) and len(rows) == 8
    assert (rows[0]["response"], rows[0]["values"], rows[0]["side"]) == ("please", {"polite": 1.0}, "model")


def test_a_missed_gate_does_not_pass(done):
    found = done(gates={"polite": {"above": 0.9}})
    assert as_json(found)["passed"] is False
    with pytest.raises(GateError, match="polite"):
        require_passed(found)
    require_passed(done(gates={"polite": {"above": 0.1}}))


def test_a_void_result_is_no_pass(done):
    found = done(lambda bench: TaskResult([], void="the judge never answered"))
    assert as_json(found)["passed"] is False
    with pytest.raises(RewardError, match="manners is void: the judge never answered"):
        require_passed(found)
