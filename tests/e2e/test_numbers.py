"""Numbers that go wrong in a run from the command line: what is told, where it is kept, and the exit code."""

import json
import math
from pathlib import Path

import pytest

from truing.config.recipe import Recipe
from truing.config.run_folder import RunFolder
from truing.reports.page import render_report
from truing.reports.run import read_run, run_report
from truing.runs.opening import open_run
from truing.runs.run import run
from truing.training.health import Finding, Unhealthy, read_findings
from truing.training.hooks import Hook, Logs
from truing.web.runs.summary import alarms_of

STEPS = 40


def hacked(step: int, logs: Logs) -> None:
    """The reward rises, KL leaves its limit, responses grow threefold, entropy goes to 0."""
    done = step / STEPS
    logs.update({"reward": 0.2 + 0.5 * done + 0.001 * (step % 3), "kl": 0.01 * math.exp(6 * done)})
    logs.update({"completions/mean_length": 20 + 40 * done, "entropy": 1.5 * math.exp(-8 * done)})


def leaping(step: int, logs: Logs) -> None:
    logs["loss"] = 55.0 if step == 20 else 1.0 + 0.05 * math.sin(step)


def found_in(folder: Path, model: Path, script: Hook, action: str = "warn") -> dict[str, Finding]:
    rows = folder.with_suffix(".jsonl")
    rows.write_text('{"prompt": "Is it?", "completion": "Yes."}\n' * 4)
    recipe = {
        "method": "sft",
        "policy": str(model),
        "data": {"train": str(rows)},
        "lora": {"r": 2},
        "optim": {"learning_rate": 1e-5, "items_per_step": 1, "epochs": 10, "max_steps": STEPS},
        "health": {"action": action},
        "dtype": "float32",
        "output": str(folder),
    }
    with RunFolder.open(folder) as opened:
        run(open_run(Recipe.model_validate(recipe)), opened, watch=[script])
    return {one.rule: one for one in read_findings(folder)}


def test_n2_a_reward_that_is_gamed_is_seen_by_its_rules(model_folder, tmp_path):
    found = found_in(tmp_path / "run", model_folder, hacked)
    assert {"reward_hacking", "kl_runaway"} <= found.keys()
    assert found["reward_hacking"].step <= STEPS and "grew from 2" in found["reward_hacking"].saw
    page = render_report(run_report(read_run(tmp_path / "run")))
    live = [alarm.title for alarm in alarms_of(tmp_path / "run")]
    for title in ("The reward is being gamed", "The policy runs away from its reference"):
        assert title in page and title in live


def test_n2_a_leap_of_fifty_times_stops_a_run_that_asks_for_it(model_folder, tmp_path):
    with pytest.raises(Unhealthy, match="loss_spikes since step 20") as caught:
        found_in(tmp_path / "run", model_folder, leaping, action="stop")
    assert caught.value.exit_code == 4
    (finding,) = read_findings(tmp_path / "run")
    assert (finding.rule, finding.step, finding.action) == ("loss_spikes", 20, "stop")


def test_n1_a_rate_that_is_far_too_high_is_told_as_the_cause(here, recipe, tmp_path):
    blown = {"learning_rate": 1e30, "items_per_step": 3, "epochs": 2, "warmup": 0}
    ended = here("train", recipe(optim=blown, output=str(tmp_path / "run")))
    assert ended.returncode == 4 and "Traceback" not in ended.stderr
    said = " ".join(ended.stderr.split())
    assert "diverged: loss is nan (rows pairs.jsonl:" in said and "the rate is the cause:" in said
    assert "→ go on with a lower rate" in said and "diagnosis/step-000002.json says more" in said
    found = json.loads((tmp_path / "run" / "diagnosis" / "step-000002.json").read_text())
    assert (found["cause"], found["rows"][0]["alone"][:11]) == ("rate", "loss is nan")
    page = render_report(run_report(read_run(tmp_path / "run")))
    assert "the rate is the cause" in page
