"""Treatment of a finding in real runs: DPO on near-identical pairs at a rate that displaces."""

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import pytest

from truing.config.recipe import Recipe
from truing.config.run_folder import RunFolder, read_metrics, read_status
from truing.runs.opening import open_run
from truing.runs.run import run, write_result
from truing.training.health import Finding, Unhealthy, read_findings

Train = Callable[..., Path]
STEPS = 40
PACE = ("seconds", "tokens_per_second")


@pytest.fixture(scope="module")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Answers that differ in one number."""
    draw, path = Random(0), tmp_path_factory.mktemp("care") / "near.jsonl"
    rows = []
    for year in range(1960, 2024):
        count = draw.randint(100, 900)
        chosen, rejected = (f"There were {n} of them in all." for n in (count, count + 7))
        rows.append({"prompt": f"How many in {year}?", "chosen": chosen, "rejected": rejected})
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def trained(output: Path, policy: Path, rows: Path, method: str, rate: float, **changes: Any) -> Path:
    """The run folder of a recipe, whose run may raise."""
    recipe = {
        "method": method,
        "policy": str(policy),
        "data": {"train": [str(rows)]},
        "lora": None,
        "optim": {"learning_rate": rate, "items_per_step": 8, "epochs": 100, "max_steps": STEPS},
        "checkpoint": {"every": 1000},
        "dtype": "float32",
        "output": str(output),
        **changes,
    }
    with RunFolder.open(output) as folder:
        session = open_run(Recipe.model_validate(recipe))
        run(session, folder)
        if method == "sft":
            write_result(session, folder.path / "model", {})
    return output


@pytest.fixture(scope="module")
def policy(pairs: Path, model_folder: Path) -> Path:
    """A policy that gives the chosen answers."""
    rate = {"learning_rate": 3e-3, "items_per_step": 8, "epochs": 100, "max_steps": 100}
    return trained(pairs.parent / "sft", model_folder, pairs, "sft", 3e-3, optim=rate) / "model"


@pytest.fixture(scope="module")
def displace(pairs: Path, policy: Path) -> Train:
    """Runs DPO that displaces, with an action."""

    def one(name: str, action: str, rate: float = 3e-3, rollbacks: int = 2, **changes: Any) -> Path:
        health = {"action": action, "rollbacks": rollbacks}
        return trained(pairs.parent / name, policy, pairs, "dpo", rate, health=health, **changes)

    return one


@pytest.fixture(scope="module")
def warned(displace: Train) -> Path:
    return displace("warned", "warn")


def only(run: Path) -> Finding:
    (finding,) = read_findings(run)
    assert finding.rule == "likelihood_displacement"
    return finding


def metrics(run: Path) -> list[dict[str, Any]]:
    """The rows that a run logged, but for its pace."""
    return [{k: v for k, v in row.items() if k not in PACE} for row in read_metrics(run)]


def test_a_warning_changes_nothing(warned: Path):
    assert only(warned).action == "warn"
    assert len(metrics(warned)) == STEPS


def test_the_pairs_that_drive_displacement_are_named(warned: Path):
    named = re.findall(r"near\.jsonl:(\d+) \((-\d+) nats, (\d+)% alike\)", only(warned).saw)
    assert len({place for place, _, _ in named}) == 3
    lost = [int(nats) for _, nats, _ in named]
    assert lost == sorted(lost)
    assert all(int(alike) > 80 for _, _, alike in named)


def test_stop_ends_the_run_and_the_same_command_goes_on_regardless(displace: Train, warned: Path):
    with pytest.raises(Unhealthy) as caught:
        displace("stopped", "stop")
    assert caught.value.exit_code == 4
    folder = warned.parent / "stopped"
    status, finding = read_status(folder), only(folder)
    assert status is not None
    assert status.state == "failed"
    assert status.reason.startswith("Unhealthy: likelihood_displacement since step ")
    assert finding.action == "stop"
    assert metrics(folder) == metrics(warned)[: finding.step]
    displace("stopped", "stop")
    assert metrics(folder) == metrics(warned)
    assert only(folder) == finding


def test_another_recipe_is_watched_anew(displace: Train, warned: Path):
    with pytest.raises(Unhealthy):
        displace("changed", "stop", rollbacks=2)
    with pytest.raises(Unhealthy):
        displace("changed", "stop", rollbacks=3)
    assert only(warned.parent / "changed").action == "stop"


def test_the_remedy_holds_what_is_preferred(displace: Train, warned: Path):
    held = displace("held", "remedy")
    at = only(held).step
    assert only(held).action == "remedy"
    assert metrics(held)[:at] == metrics(warned)[:at]
    assert metrics(held)[at]["loss"] == pytest.approx(
        metrics(held)[at]["pair_loss"] + metrics(held)[at]["nll/chosen"]
    )
    assert metrics(held)[-1]["logps/chosen"] > metrics(warned)[-1]["logps/chosen"] + 10


@pytest.mark.parametrize("left", [20, 0], ids=["from a checkpoint", "from the start"])
def test_a_remedied_run_that_is_cut_off_ends_as_the_unbroken_one(displace: Train, warned: Path, left: int):
    held = displace("cut_off", "remedy", checkpoint={"every": 5, "keep": 20})
    unbroken, finding = metrics(held), only(held)
    for checkpoint in (held / "checkpoints").iterdir():
        if checkpoint.name > f"step-{left:06d}":
            shutil.rmtree(checkpoint)
    if not left:  # cut off before its first checkpoint
        (held / "status.json").unlink()
        log = held / "metrics.jsonl"
        log.write_bytes(b"".join(log.read_bytes().splitlines(keepends=True)[:3]))
    displace("cut_off", "remedy", checkpoint={"every": 5, "keep": 20})
    assert metrics(held) == unbroken
    assert only(held) == finding


def test_a_rollback_goes_back_to_before_the_fault_with_half_the_rate(displace: Train, warned: Path):
    often = {"every": 2, "keep": 20}
    with pytest.raises(Unhealthy, match="after 2 rollbacks"):
        displace("back", "rollback", checkpoint=often)
    folder = warned.parent / "back"
    first, second, last = read_findings(folder)
    assert [one.action for one in (first, second, last)] == ["rollback", "rollback", "stop"]
    assert first.back_to is not None and second.back_to is not None
    assert first.back_to < first.since
    rates = [row["learning_rate"] for row in metrics(warned)]
    for row in metrics(folder):
        times = (row["step"] > first.back_to) + (row["step"] > second.back_to)
        assert row["learning_rate"] == pytest.approx(rates[row["step"] - 1] / 2**times)


def test_a_rollback_without_a_checkpoint_from_before_is_a_stop(displace: Train, warned: Path):
    with pytest.raises(Unhealthy, match="no checkpoint is from before it"):
        displace("nowhere", "rollback")
    assert only(warned.parent / "nowhere").action == "stop"
