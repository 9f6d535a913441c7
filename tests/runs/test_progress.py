"""The step at which a run goes on after a failed reward, evaluation, disk, or writing of its result."""

import json
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from truing.config.recipe import Recipe
from truing.config.run_folder import (
    FAILURES,
    METRICS,
    RunFolder,
    RunState,
    read_metrics,
    read_status,
)
from truing.core.errors import ConfigError, DivergedError, RewardError, StorageError
from truing.runs.online_session import OnlineSession
from truing.runs.opening import open_run
from truing.runs.run import Finished, run
from truing.training.hooks import Hook, Logs

from .ends import assert_same

REWARDS = '''
from pathlib import Path

DOWN = Path(__file__).with_name("down")  # holds how many responses a call has that fails; 0: any
HELD_OUT = 3


def letters(responses):
    """Share of letters; the server behind it may be down."""
    if DOWN.exists() and int(DOWN.read_text()) in (0, len(responses)):
        raise ConnectionError("nobody answers")
    return [sum(c.isalpha() for c in text) / (len(text) or 1) for text in responses]


def some_fail(responses):
    return ["none" if place % 12 == 0 else value for place, value in enumerate(letters(responses))]


def huge(responses):
    return [(-1.0) ** place * 1e38 for place in range(len(responses))]
'''
Train = Callable[..., list[str]]


@pytest.fixture(autouse=True)
def down(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The file that switches the reward off."""
    monkeypatch.setenv("TRUING_CACHE", str(tmp_path / "cache"))
    (tmp_path / "shaky_rewards.py").write_text(REWARDS)
    monkeypatch.syspath_prepend(tmp_path)
    yield tmp_path / "down"
    sys.modules.pop("shaky_rewards", None)


@pytest.fixture
def train(model_folder: Path, tmp_path: Path) -> Train:
    """Runs SFT, or GRPO where a reward is given, in a folder; returns what was said."""
    rows = tmp_path / "rows.jsonl"
    texts = [{"prompt": f"Question {i}?", "completion": f"Yes, {i} {'good ' * (i % 3)}"} for i in range(12)]
    rows.write_text("".join(json.dumps(row) + "\n" for row in texts))

    def one(
        name: str, reward: str | None = None, watch: Hook = lambda step, logs: None, **changes: Any
    ) -> list[str]:
        result = changes.pop("result", lambda finished: None)
        recipe: dict[str, Any] = {
            "method": "grpo" if reward else "sft",
            "policy": str(model_folder),
            "data": {"train": str(rows), "eval_fraction": 0.25},
            "evaluate": {"every": 1},
            "optim": {"learning_rate": 1e-2, "items_per_step": 3, "epochs": 2, "max_steps": 4},
            "checkpoint": {"every": 100, "keep": 9},
            "dtype": "float32",
            "lora": {"r": 2},
            "output": str(tmp_path / name),
        }
        if reward:
            recipe["rewards"] = [{"name": f"shaky_rewards:{reward}", "retries": 0, "backoff": 0}]
            recipe |= {"sampling": {"max_new_tokens": 4}, "online": {"group_size": 4}}
        said: list[str] = []
        with RunFolder.open(tmp_path / name) as folder:
            session = open_run(Recipe.model_validate(recipe | changes), said.append)
            if isinstance(session, OnlineSession):
                session.log_failure, session.log_sample = folder.log_failure, folder.log_sample
            run(session, folder, say=said.append, watch=[watch], result=result)
        return said

    return one


def switch(path: Path, at: int, responses: int) -> Hook:
    """Switches the reward off after a step, for calls with so many responses."""

    def hook(step: int, logs: Logs) -> None:
        if step == at:
            path.write_text(str(responses))

    return hook


@pytest.mark.parametrize(
    ("responses", "saved"), [(12, 2), (3, 3)], ids=["before the update", "in the evaluation after it"]
)
def test_a_reward_that_goes_down_costs_no_step(train, down, tmp_path, responses, saved):
    """In step 3: twelve responses are learnt from, three are held out."""
    train("whole", "letters")
    with pytest.raises(RewardError, match="nobody answers"):
        train("cut", "letters", switch(down, 2, responses))
    status = read_status(tmp_path / "cut")
    assert status is not None
    assert (status.state, status.last_checkpoint) == (RunState.FAILED, f"step-{saved:06d}")
    assert [row["step"] for row in read_metrics(tmp_path / "cut")] == [1, 2]
    with pytest.raises(RewardError):  # still down: nothing is lost, and nothing is skipped
        train("cut", "letters")
    down.unlink()
    said = train("cut", "letters")
    assert f"resuming after step {saved} of 4" in said
    assert_same(tmp_path / "cut", tmp_path / "whole")


def test_what_failed_and_was_borne_is_written_down(train, tmp_path):
    said = train(
        "run",
        "some_fail",
        online={"group_size": 4, "skip_failed": 0.5},
        evaluate={},
        data={"train": str(tmp_path / "rows.jsonl")},
    )
    rows = [json.loads(line) for line in (tmp_path / "run" / FAILURES).read_text().splitlines()]
    assert [row["step"] for row in rows] == [1, 2, 3, 4]
    first = {key: rows[0][key] for key in ("when", "reward", "failed", "of")}
    assert first == {"when": "training", "reward": "some_fail", "failed": 1, "of": 12}
    assert "returned 'none'" in rows[0]["reasons"][0]
    assert sum("the reasons are kept in failures.jsonl" in line for line in said) == 1


def test_a_reward_whose_square_is_no_number_stops_before_the_first_update(train, tmp_path):
    with pytest.raises(
        DivergedError, match=r"a reward is 1e\+38.*rows\.jsonl:\d+\) at step 1.*the reward huge"
    ):
        train("run", "huge")
    assert not list((tmp_path / "run" / "checkpoints").iterdir())


def test_a_run_does_not_go_on_with_another_reward_under_the_same_name(train, tmp_path):
    train("run", "letters")
    path = tmp_path / "shaky_rewards.py"
    path.write_text(path.read_text().replace("isalpha", "isdigit"))
    sys.modules.pop("shaky_rewards")
    with pytest.raises(ConfigError, match=r"reward_files\.shaky_rewards:letters: .*another function"):
        train("run", "letters")


# Checkpoints and results


@pytest.fixture
def stopped(train, tmp_path: Path) -> Path:
    """A run that was cut off in step 4 of 4, with checkpoints of all steps before."""

    def cut(step: int, logs: Logs) -> None:
        if step == 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train("run", watch=cut, checkpoint={"every": 1, "keep": 9})
    return tmp_path / "run"


@pytest.mark.parametrize("how", ["gone", "damaged", "gone with the status"])
def test_a_run_whose_checkpoints_are_lost_does_not_start_over(train, stopped, how):
    if how == "damaged":
        for path in (stopped / "checkpoints").glob("*/model.safetensors"):
            path.write_bytes(b"")
    else:
        shutil.rmtree(stopped / "checkpoints")
    if how == "gone with the status":
        (stopped / "status.json").unlink()
    before = (stopped / METRICS).read_bytes()
    with pytest.raises(
        StorageError, match="stood at step 3, and none of its checkpoints can be read"
    ) as caught:
        train("run", checkpoint={"every": 1, "keep": 9})
    assert "to begin again, choose another output or remove" in caught.value.hint
    assert (stopped / METRICS).read_bytes() == before


@pytest.mark.parametrize("name", ["manifest.json", "model.safetensors", "state.json"])
def test_a_file_that_cannot_be_read_sends_the_run_one_checkpoint_back(train, stopped, tmp_path, name):
    """A folder in its place is what every user is refused, root too."""
    path = stopped / "checkpoints" / "step-000003" / name
    path.unlink()
    path.mkdir()
    said = train("run", checkpoint={"every": 1, "keep": 9})
    assert any(line.startswith("a damaged checkpoint is passed over: ") and name in line for line in said)
    assert "resuming after step 2 of 4" in said
    train("whole", checkpoint={"every": 1, "keep": 9})
    assert_same(stopped, tmp_path / "whole")


def test_metrics_that_were_cut_short_are_told(train, stopped):
    (stopped / METRICS).write_bytes((stopped / METRICS).read_bytes().splitlines(keepends=True)[0])
    said = train("run", checkpoint={"every": 1, "keep": 9})
    assert any("was cut short: the numbers of 2 of 3 steps are lost" in line for line in said)


def test_a_damaged_best_is_told_and_does_not_keep_the_run_from_its_end(train, tmp_path):
    """At this rate the first evaluation is the best; its checkpoint is damaged while the run goes on."""
    bad = {"optim": {"learning_rate": 3.0, "items_per_step": 3, "max_steps": 4, "epochs": 9, "warmup": 0}}
    best = tmp_path / "run" / "checkpoints" / "step-000001" / "model.safetensors"
    ended: list[Finished] = []
    said = train(
        "run", watch=lambda step, logs: step == 4 and best.write_bytes(b""), result=ended.append, **bad
    )
    assert ended[0].best_step is None
    (line,) = (line for line in said if "are lost" in line)
    assert line.startswith("the result is the weights after step 4; the best, after step 1, are lost: ")
    status = read_status(tmp_path / "run")
    assert status is not None and (status.state, status.reason) == (RunState.DONE, line)
    assert any("are lost" in line for line in train("run", **bad)), "and when the same command runs again"


def test_a_run_is_done_when_its_result_stands(train, tmp_path):
    def full(finished: Finished) -> None:
        raise StorageError("the disk is full")

    with pytest.raises(StorageError):
        train("run", result=full)
    status = read_status(tmp_path / "run")
    assert status is not None
    assert (status.state, status.reason) == (RunState.FAILED, "StorageError: the disk is full")
    states: list[RunState] = []
    train("run", result=lambda finished: states.append(read_status(tmp_path / "run").state))
    assert states == [RunState.RUNNING]
    assert read_status(tmp_path / "run").state is RunState.DONE


def test_an_evaluation_that_is_no_number_ends_the_run_with_its_row(train, tmp_path):
    """The rate is far too high: the update is finite, and what the policy then computes is not."""
    rate = {"learning_rate": 1e30, "items_per_step": 3, "max_steps": 4, "epochs": 9, "warmup": 0}
    with pytest.raises(
        DivergedError, match=r"evaluation loss is nan \(rows rows\.jsonl:.*\) at step 1, first in"
    ):
        train("run", optim=rate)
    assert read_status(tmp_path / "run").state is RunState.FAILED
