"""`truing doctor RUN` on run folders, on what TRL leaves behind, and on what is neither."""

import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from truing.cli.main import main
from truing.config.run_folder import RunFolder, RunState
from truing.core.files import append_jsonl
from truing.training.health import Finding

RECIPE = {"method": "dpo", "policy": "some/model"}
Doctor = Callable[..., tuple[int, str]]


@pytest.fixture
def doctor(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Doctor:
    """Runs `truing doctor ARGS`: its exit code, and all it printed."""

    def run(*args: object) -> tuple[int, str]:
        monkeypatch.setattr(sys, "argv", ["truing", "doctor", *map(str, args)])
        with pytest.raises(SystemExit) as end:
            main()
        told = capsys.readouterr()
        return int(end.value.code or 0), told.out + told.err

    return run


def displaced(step: int) -> dict[str, float]:
    """Metrics of a run whose chosen responses lose a nat per step.

    The median of the first five is -23, that of the newest eight 3.5 behind: step 13 has lost a quarter.
    """
    return {
        "loss": 0.6 / step,
        "rewards/chosen": -0.1 * step,
        "rewards/margins": 0.2 * step,
        "rewards/accuracies": 1.0,
        "logps/chosen": -20.0 - step,
    }


@pytest.fixture
def sick(tmp_path: Path) -> Path:
    """A run folder of forty steps."""
    with RunFolder.open(tmp_path / "run") as folder:
        folder.write_config(RECIPE)
        for step in range(1, 41):
            folder.log_metrics(step, displaced(step))
        folder.write_status(RunState.FAILED, step=40, reason="the disk is full")
    return folder.path


def test_a_sick_run_is_diagnosed_after_the_fact(doctor: Doctor, sick: Path):
    code, told = doctor(sick)
    assert code == 0
    assert f"{sick}: DPO on some/model. Failed after 40 steps. the disk is full." in told
    assert "likelihood_displacement: since step 6, seen at step 13" in told
    assert "→ hold the better response: loss.sft_weight: 1.0" in told
    assert "not looked at, their metrics are not logged: kl_runaway" in told
    assert not (sick / "health.jsonl").exists(), "reading changes nothing"


def test_strict_is_an_exit_code(doctor: Doctor, sick: Path):
    assert doctor(sick, "--strict")[0] == 4
    config = json.loads((sick / "config.json").read_text())
    config["recipe"]["health"] = {"off": ["likelihood_displacement"]}
    (sick / "config.json").write_text(json.dumps(config))
    code, told = doctor(sick, "--strict")
    assert code == 0
    assert "healthy: 4 of 10 rules had metrics to look at, and saw nothing" in told


@pytest.mark.parametrize(
    ("action", "back_to", "told", "code"),
    [("remedy", None, "remedied", 0), ("rollback", 4, "the run went back to step 4", 4)],
)
def test_what_was_done_while_it_trained_is_told(
    doctor: Doctor, sick: Path, action: str, back_to: int | None, told: str, code: int
):
    done = Finding("likelihood_displacement", 13, 6, "saw", "advice", action, back_to)
    append_jsonl(sick / "health.jsonl", done.row())
    found = doctor(sick, "--strict")
    assert found[0] == code, "only what nothing cured is sick"
    assert f"likelihood_displacement at step 13: {told}" in found[1]


@pytest.fixture
def trl(tmp_path: Path) -> Path:
    """Write the files that TRL's DPOTrainer leaves of a run with every step logged and one evaluation."""
    rows = [{"epoch": 0.1 * step, **displaced(step), "step": step} for step in range(1, 41)]
    rows.insert(20, {"eval_loss": 0.5, "eval_rewards/accuracies": 0.9, "epoch": 2.0, "step": 20})
    rows.append({"train_loss": 0.1, "train_runtime": 3.0, "epoch": 4.0, "step": 40})
    state = {"best_metric": None, "global_step": 40, "log_history": rows}
    for at, content in ((5, {**state, "log_history": rows[:5]}), (40, state)):
        folder = tmp_path / "trl" / f"checkpoint-{at}"
        folder.mkdir(parents=True)
        (folder / "trainer_state.json").write_text(json.dumps(content))
    (tmp_path / "trl" / "checkpoint-best").mkdir()
    return tmp_path / "trl"


@pytest.mark.parametrize("path", [".", "checkpoint-40", "checkpoint-40/trainer_state.json"])
def test_a_run_of_trl_is_diagnosed_from_its_newest_checkpoint(doctor: Doctor, trl: Path, path: str):
    code, told = doctor(trl / path)
    assert code == 0
    assert "trainer_state.json: 40 steps" in told
    assert "likelihood_displacement: since step 6, seen at step 13" in told


@pytest.mark.parametrize(
    ("content", "code", "message"),
    [
        (None, 2, "does not exist"),
        ("", 3, "cannot be read"),
        ("[]", 2, "has no log_history"),
        ('{"log_history": [1]}', 2, "has no log_history"),
        ('{"log_history": []}', 3, "has no logged steps"),
    ],
)
def test_what_is_no_run_is_told_in_one_message(
    doctor: Doctor, tmp_path: Path, content: str | None, code: int, message: str
):
    path = tmp_path / "trainer_state.json"
    if content is not None:
        path.write_text(content)
    assert doctor(path)[0] == code
    assert message in doctor(path)[1]


def test_a_folder_that_is_none_and_a_run_before_its_first_step(doctor: Doctor, tmp_path: Path):
    code, told = doctor(tmp_path)
    assert code == 2
    assert "is no run folder and holds no trainer_state.json" in told
    with RunFolder.open(tmp_path / "run") as folder:
        folder.write_config(RECIPE)
    code, told = doctor(tmp_path / "run")
    assert code == 3
    assert "has not finished a step" in told


def test_strict_needs_a_run(doctor: Doctor):
    code, told = doctor("--strict")
    assert code == 2
    assert "truing doctor RUN --strict" in told


def state(folder: Path, *rows: dict[str, object]) -> Path:
    path = folder / "trainer_state.json"
    path.write_text(json.dumps({"log_history": [{"step": at, **row} for at, row in enumerate(rows, 1)]}))
    return path


GOOD: list[dict[str, object]] = [{"loss": 0.69 - 0.01 * at, "grad_norm": 1.0} for at in range(5)]
NAN = float("nan")


@pytest.mark.parametrize(
    ("rows", "seen"),
    [
        ([{"loss": NAN, "grad_norm": NAN}] * 20, "loss is no number from step 6 on"),
        ([{"loss": None, "grad_norm": None}] * 20, "loss is no number from step 6 on"),
        ([{"loss": float("-inf"), "grad_norm": 1.0}] * 2, "loss is no number from step 6 on"),
        ([{"loss": 0.0, "grad_norm": NAN}] * 20, "grad_norm is no number from step 6 on"),
        ([{"loss": 0.0}] * 20, "the loss is exactly 0 from step 6 on"),
        ([{"loss": "nan", "grad_norm": "nan"}] * 20, "loss is no number from step 6 on"),
        ([{"loss": 0.6, "eval_loss": NAN}], "eval/loss is no number from step 6 on"),
    ],
    ids=["nan", "null", "infinite", "zero with nan", "zero", "text", "evaluation"],
)
def test_the_step_from_which_numbers_are_none_is_named_first_and_alone(doctor: Doctor, tmp_path, rows, seen):
    """Accuracies of 0, which NaN makes, would be called label noise by a rule that only sees them."""
    log = [{**row, "rewards/accuracies": 0.0} for row in rows]
    code, told = doctor(state(tmp_path, *GOOD, *log), "--strict")
    assert code == 4
    assert "not_a_number: since step 6" in told and seen in told
    assert "label_noise" not in told.partition("not looked at")[0]


def test_a_step_that_16_bits_skip_and_a_hinge_that_is_satisfied_are_healthy(doctor: Doctor, tmp_path: Path):
    skipped: list[dict[str, object]] = [
        {"loss": 0.6, "grad_norm": float("inf")},
        {"loss": 0.6, "grad_norm": 1.0},
    ]
    assert doctor(state(tmp_path, *GOOD, *skipped), "--strict")[0] == 0
    ranked: list[dict[str, object]] = [{"loss": 0.0, "rewards/accuracies": 1.0}] * 9
    assert doctor(state(tmp_path, *GOOD, *ranked), "--strict")[0] == 0


def test_a_log_that_tells_no_rule_anything_is_not_healthy(doctor: Doctor, tmp_path: Path):
    code, told = doctor(state(tmp_path, *[{"message": "all fine"}] * 3), "--strict")
    assert code == 4
    assert "not known: none of 11 rules had metrics to look at" in told
    assert "healthy" not in told


def test_metrics_that_were_cut_short_are_noticed(doctor: Doctor, sick: Path):
    lines = (sick / "metrics.jsonl").read_bytes().splitlines(keepends=True)
    (sick / "metrics.jsonl").write_bytes(b"".join(lines[:30]))
    assert "metrics.jsonl was cut short: the numbers of 10 steps are lost" in doctor(sick)[1]


def test_a_run_of_verl_is_diagnosed(doctor: Doctor, tmp_path: Path):
    """KL to the reference runs away from step 11 on, and the entropy goes with it."""
    rows = [
        {
            "actor/kl_loss": 0.05 if step <= 10 else 0.4 * (step - 9),
            "actor/entropy": 2.0 if step <= 10 else 0.1,
            "actor/pg_loss": 0.01,
            "actor/grad_norm": 0.5,
            "critic/score/mean": 0.3 + 0.02 * (step % 2),
        }
        for step in range(1, 31)
    ]
    log = tmp_path / "project" / "grpo.jsonl"
    log.parent.mkdir()
    log.write_text("".join(json.dumps({"step": at, "data": row}) + "\n" for at, row in enumerate(rows, 1)))
    for path in (log, log.parent):
        code, told = doctor(path, "--strict")
        assert code == 4
        assert f"{log}: 30 steps" in told
        assert "kl_runaway: since step" in told and "entropy_collapse: since step" in told


def test_a_run_of_prime_rl_is_diagnosed(doctor: Doctor, tmp_path: Path):
    """More and more responses come to no end."""
    agent = "train/agg/effective/agent"
    with (tmp_path / "metrics.jsonl").open("w") as file:
        for step in range(1, 31):
            cut = 0.02 if step <= 12 else 0.9
            orchestrator = {f"{agent}/reward/mean": 0.3, f"{agent}/is_truncated/mean": cut}
            for row in (orchestrator, {"optim/grad_norm": 0.1, "loss/mean": 0.0}):
                file.write(json.dumps({"step": step, "time": 1.0, **row}) + "\n")
    code, told = doctor(tmp_path, "--strict")
    assert code == 4
    assert "degeneration: since step 13" in told
    assert "completions/clipped_ratio rose from 2% to 90%" in told


def test_the_metrics_of_our_own_run_lead_to_its_folder(doctor: Doctor, sick: Path):
    code, told = doctor(sick / "metrics.jsonl")
    assert code == 0 and f"{sick}: DPO on some/model." in told
