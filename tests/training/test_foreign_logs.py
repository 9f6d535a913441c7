"""Logs of other trainers, in the layouts they write, become rows by our names."""

import json
import math
from pathlib import Path

import pytest

from truing.core.errors import DataError, UsageError
from truing.training.foreign_logs import find_log, read_log


def written(path: Path, *rows: object) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def test_trl(tmp_path: Path):
    """Its evaluations stand in rows of their own; PPO has names that its other trainers have not."""
    rows = [
        {"loss": 0.6, "epoch": 1.0, "step": 20},
        {"eval_loss": 0.5, "eval_rewards/accuracies": 0.9, "epoch": 2.0, "step": 20},
        {"train_loss": 0.1, "train_runtime": 3.0, "step": 20},
    ]
    for at in (5, 20):
        written(tmp_path / f"checkpoint-{at}" / "trainer_state.json", {"log_history": rows[: at // 5]})
    (tmp_path / "checkpoint-best").mkdir()
    found = find_log(tmp_path)
    assert found == tmp_path / "checkpoint-20" / "trainer_state.json"
    assert read_log(found) == [
        rows[0],
        {"eval/loss": 0.5, "eval/rewards/accuracies": 0.9, "epoch": 2.0, "step": 20},
        rows[2],
    ]
    ppo = written(
        tmp_path / "ppo.json", {"log_history": [{"step": 1, "objective/kl": 3.0, "objective/scores": 1}]}
    )
    assert read_log(ppo) == [{"step": 1, "kl/response": 3.0, "reward": 1}]


def verl(step: int) -> dict[str, object]:
    """A row of verl's file logger, GRPO with a KL loss."""
    data = {
        "actor/entropy": 0.9 / step,
        "actor/kl_loss": 0.01 * step,
        "actor/pg_loss": -0.02,
        "actor/grad_norm": 0.4,
        "actor/lr": 1e-6,
        "critic/score/mean": 0.3,
        "critic/rewards/mean": 0.29,
        "response_length/mean": 210.0,
        "response_length/clip_ratio": 0.05,
        "perf/time_per_step": 31.0,
        "perf/throughput": 900.0,
        "training/global_step": step,
    }
    return {"step": step, "data": data}


def test_verl(tmp_path: Path):
    """A validation before training is step 0; NaN is null, for its JSON writer knows no other."""
    before = {"step": 0, "data": {"val-core/openai/gsm8k/reward/mean@1": 0.2}}
    broken = {"step": 3, "data": {"actor/pg_loss": None, "actor/grad_norm": None}}
    log = written(tmp_path / "project" / "grpo.jsonl", before, verl(1), verl(2), broken)
    assert find_log(tmp_path / "project") == log
    rows = read_log(log)
    assert [row["step"] for row in rows] == [0, 1, 2, 3]
    assert rows[0] == {"step": 0, "eval/reward": 0.2}
    assert rows[2] == {
        "step": 2,
        "entropy": 0.45,
        "kl": 0.02,
        "loss": -0.02,
        "grad_norm": 0.4,
        "learning_rate": 1e-6,
        "reward": 0.3,
        "critic/rewards/mean": 0.29,
        "completions/mean_length": 210.0,
        "completions/clipped_ratio": 0.05,
        "seconds": 31.0,
        "perf/throughput": 900.0,
        "training/global_step": 2,
    }
    assert rows[3] == {"step": 3, "loss": None, "grad_norm": None}


def test_several_experiments_of_verl_are_named(tmp_path: Path):
    for name in ("first", "second"):
        written(tmp_path / f"{name}.jsonl", verl(1))
    written(tmp_path / "rows.jsonl", {"prompt": "not a log"})
    with pytest.raises(UsageError, match=r"holds several logs: first\.jsonl, second\.jsonl"):
        find_log(tmp_path)


def test_prime_rl(tmp_path: Path):
    """Trainer and orchestrator append to one file, several rows a step and not in step with each other."""
    agent = "train/agg/effective/agent"
    trainer = [
        [
            {"step": step, "time": 1e9 + step, "optim/lr": 1e-6, "optim/grad_norm": 0.1 * step},
            {"step": step, "time": 1e9 + step, "loss/mean": 0.01, "entropy/all/mean": 0.5},
        ]
        for step in (1, 2)
    ]
    orchestrator = [
        {
            "step": step,
            f"{agent}/reward/mean": 0.2 * step,
            f"{agent}/num_output_tokens/mean": 300.0,
            f"{agent}/is_truncated/mean": 0.1,
            "train/agg/all/agent/reward/mean": 0.1 * step,
            "time/step": 12.0,
        }
        for step in (1, 2)
    ]
    log = written(tmp_path / "metrics.jsonl", *orchestrator, *trainer[0], *trainer[1])
    assert find_log(tmp_path) == log
    rows = read_log(log)
    assert [row["step"] for row in rows] == [1, 2]
    ours = {
        name: rows[1][name] for name in ("reward", "grad_norm", "learning_rate", "loss", "entropy", "seconds")
    }
    assert ours == {
        "reward": 0.4,
        "grad_norm": 0.2,
        "learning_rate": 1e-6,
        "loss": 0.01,
        "entropy": 0.5,
        "seconds": 12.0,
    }
    assert (rows[0]["completions/mean_length"], rows[0]["completions/clipped_ratio"]) == (300.0, 0.1)
    assert rows[0]["train/agg/all/agent/reward/mean"] == 0.1, "what has no name of ours keeps its own"


def test_a_run_that_went_on_counts_the_later_of_two_and_a_torn_line_is_left_out(tmp_path: Path):
    log = written(tmp_path / "a.jsonl", verl(1), verl(2), {"step": 2, "data": {"actor/entropy": 7.0}})
    log.write_text(log.read_text() + '{"step": 3, "da')
    assert [(row["step"], row["entropy"]) for row in read_log(log)] == [(1, 0.9), (2, 7.0)]


def test_numbers_as_text_are_numbers(tmp_path: Path):
    (row,) = read_log(written(tmp_path / "a.jsonl", {"step": "4", "loss": "nan", "note": "fine"}))
    assert row["step"] == 4 and math.isnan(row["loss"]) and row["note"] == "fine"


@pytest.mark.parametrize(
    ("text", "error", "told"),
    [
        ('{"step": 1}\nnot json\n{"step": 2}\n', DataError, r"a\.jsonl:2 cannot be read"),
        ("[1, 2]\n", UsageError, r"a\.jsonl:1 is no row of metrics"),
        ('{"prompt": "hello"}\n', DataError, "has no logged steps"),
        ("", DataError, "has no logged steps"),
    ],
)
def test_what_is_no_log_is_told_with_its_line(text: str, error: type[Exception], told: str, tmp_path: Path):
    (tmp_path / "a.jsonl").write_text(text)
    with pytest.raises(error, match=told):
        read_log(tmp_path / "a.jsonl")


def test_a_folder_without_a_log(tmp_path: Path):
    written(tmp_path / "rows.jsonl", {"prompt": "not a log"})
    (tmp_path / "broken.jsonl").write_bytes(b"\xff\xfe")
    assert find_log(tmp_path) is None
