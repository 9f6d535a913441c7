"""`truing run harden.yaml` as users run it: killed in the middle, and the same command again."""

import json
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from tests.verbs import Forked


@pytest.fixture
def recipe(model_folder: Path, tmp_path: Path) -> Path:
    plan = {
        "policy": str(model_folder),
        "rounds": 1,
        "topics": 2,
        "attacks": ["plain"],
        "held_out_attacks": ["authority"],
        "per_category": 1,
        "max_new_tokens": 3,
        "control": False,
        "gates": {"success": 1.0, "everyday": 1.0, "lookalike": 1.0, "helpfulness": 1.0},
    }
    path = tmp_path / "harden.yaml"
    path.write_text(yaml.safe_dump({"harden": plan, "output": str(tmp_path / "out")}))
    return path


@pytest.mark.slow
def test_a_killed_hardening_goes_on(begun: Callable[..., Forked], recipe: Path, tmp_path: Path):
    first = begun("run", recipe)
    stage, deadline = tmp_path / "out" / "stages" / "round-1-attacked.json", time.monotonic() + 240
    while not stage.exists():
        assert first.poll() is None, first.wait().stderr
        assert time.monotonic() < deadline
        time.sleep(0.01)
    first.send(signal.SIGKILL)
    assert first.wait().returncode == -signal.SIGKILL
    measured = (tmp_path / "out" / "stages" / "start-measured.json").stat().st_mtime_ns
    ended = begun("run", recipe).wait()
    assert ended.returncode in (0, 7), ended.stderr
    said = ended.stdout + ended.stderr
    assert "measuring the start is done" in said
    assert "round 1: attacking is done" in said
    assert (tmp_path / "out" / "stages" / "start-measured.json").stat().st_mtime_ns == measured
    results = json.loads((tmp_path / "out" / "results.json").read_text())
    assert len(results["rounds"]) == 1
    assert (tmp_path / "out" / "report.html").exists()
