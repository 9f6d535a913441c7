"""The whole way: a recipe, a run, an interruption, a resume, a folder others open."""

import json
import shutil
import signal
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from truing.config.config import load_recipe

TIMES = {"seconds", "tokens_per_second"}


def metrics_of(run: Path) -> list[dict]:
    rows = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    return [{key: value for key, value in row.items() if key not in TIMES} for row in rows]


def weights_of(run: Path) -> dict[str, torch.Tensor]:
    newest = sorted((run / "checkpoints").glob("step-*"))[-1]
    return load_file(newest / "model.safetensors") | {
        f"optimizer {name}": value for name, value in load_file(newest / "optimizer.safetensors").items()
    }


def assert_same(left: Path, right: Path) -> None:
    ours, theirs = weights_of(left), weights_of(right)
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)
    assert metrics_of(left) == metrics_of(right)


METHODS = {
    "dpo-lora": {},
    "sft-lora-dropout": {"method": "sft"},
    "dpo-full-cached-reference": {
        "lora": None,
        "optim": {"learning_rate": 1e-4, "items_per_step": 3, "epochs": 2},
    },
    "sft-top-layers": {"method": "sft", "lora": None, "top_layers": 1},
    "dpo-positive-evaluated": {
        "loss": {"name": "dpo_positive"},
        "evaluate": {"every": 2},
    },
}


@pytest.mark.parametrize("name", METHODS)
def test_a_run_stopped_by_a_signal_resumes_bit_for_bit(
    name, recipe, truing, begun, pairs_file, tmp_path, monkeypatch
):
    """R1, S1: SIGTERM leaves a whole checkpoint and 143; the same command ends like an unbroken run."""
    changes = dict(METHODS[name])
    if name == "dpo-positive-evaluated":
        changes["data"] = {"train": [str(pairs_file)], "eval_fraction": 0.25}
    monkeypatch.setenv("TRUING_CACHE", str(tmp_path / "cache"))
    whole = recipe("whole.json", **changes, output=str(tmp_path / "whole"))
    broken = recipe("broken.json", **changes, output=str(tmp_path / "broken"))
    done = truing("train", whole)
    assert done.returncode == 0, done.stderr
    stopped = begun("train", broken).stop_after(2, tmp_path / "broken", signal.SIGTERM)
    if stopped.returncode == 0:
        pytest.skip("the run ended before the signal arrived: nothing was interrupted")
    assert stopped.returncode == 143, stopped.stderr
    assert "Traceback" not in stopped.stderr
    status = json.loads((tmp_path / "broken" / "status.json").read_text())
    assert status["state"] == "stopped"
    again = truing("train", broken)
    assert again.returncode == 0, again.stderr
    assert "resuming after step" in again.stderr
    assert_same(tmp_path / "whole", tmp_path / "broken")


def test_ctrl_c_is_130_and_resumable(recipe, truing, begun, tmp_path):
    path = recipe(optim={"learning_rate": 1e-3, "items_per_step": 1, "epochs": 8}, checkpoint={"every": 500})
    stopped = begun("train", path).stop_after(2, tmp_path / "run", signal.SIGINT)
    assert stopped.returncode == 130, stopped.stderr
    assert "the same command resumes here" in stopped.stderr
    again = truing("train", path)
    assert again.returncode == 0
    assert "resuming after step" in again.stderr


def test_the_exported_folder_opens_with_transformers(recipe, truing, tmp_path):
    from transformers import AutoModelForCausalLM, AutoTokenizer

    assert truing("train", recipe()).returncode == 0
    done = truing("export", tmp_path / "run", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    model = AutoModelForCausalLM.from_pretrained(tmp_path / "out")
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "out")
    ids = tokenizer.apply_chat_template([{"role": "user", "content": "Hi"}], return_tensors="pt")["input_ids"]
    assert model(ids).logits.isfinite().all()


def test_a_run_without_change_is_not_trained_again_and_a_changed_one_is_refused(recipe, truing, pairs_file):
    path = recipe()
    assert truing("train", path).returncode == 0
    changed = truing("train", path, "--set", "seed=7")
    assert changed.returncode == 2
    assert "seed" in changed.stderr
    assert "Traceback" not in changed.stderr


CHANGES = {
    "data.train": ("other.jsonl", "the place in the rows no longer means the same rows"),
    "seed": (7, "the order of the rows changes half-way"),
    "optim.items_per_step": (
        4,
        "every step averages over another number of rows and an epoch has other steps",
    ),
    "method": ("simpo", "another method continues from weights this one made"),
    "policy": ("moved", "the checkpoint holds other weights"),
    "optim.max_steps": (1, ""),
}


def test_r7_d6_a_run_goes_on_with_no_other_recipe_and_no_other_file(
    recipe, here, pairs_file, moved_folder, tmp_path
):
    """Each change is told with its meaning and its flag; more steps go on, and another file does not."""
    rows, other = tmp_path / "rows.jsonl", tmp_path / "other.jsonl"
    rows.write_bytes(pairs_file.read_bytes())
    other.write_bytes(b"".join(pairs_file.read_bytes().splitlines(keepends=True)[1:]))
    base = {"learning_rate": 1e-3, "items_per_step": 3, "epochs": 2, "max_steps": 2}
    path = recipe(data={"train": [str(rows)]}, optim=base, loss={}, checkpoint={"every": 1})
    assert here("train", path).returncode == 0
    run = tmp_path / "run"
    before = {name: (run / name).read_bytes() for name in ("config.json", "metrics.jsonl")}
    for key, (value, meaning) in CHANGES.items():
        value = {"other.jsonl": [str(other)], "moved": str(moved_folder)}.get(value, value)
        done = here("train", path, "--set", f"{key}={json.dumps(value)}")
        said = " ".join(done.stderr.split())
        assert done.returncode == 2, (key, said)
        assert f"{key}: was" in said and meaning in said and f"--allow-change {key}" in said, (key, said)
        assert {name: (run / name).read_bytes() for name in before} == before
    rows.write_bytes(other.read_bytes())
    done = here("train", path)
    assert done.returncode == 2 and "the file has changed under the same path" in " ".join(
        done.stderr.split()
    )
    rows.write_bytes(pairs_file.read_bytes())
    more = here("train", path, "--set", "optim.max_steps=3")
    assert more.returncode == 0 and "resuming after step 2 of 3" in more.stderr
    allowed = ("--set", "optim.max_steps=4", "--set", "seed=7", "--allow-change", "seed")
    done = here("train", path, *allowed)
    assert done.returncode == 0 and "going on, though seed: was 0, is 7" in " ".join(done.stderr.split())
    recorded = json.loads((run / "config.json").read_text())["changes"]
    assert {(row["key"], row["step"]) for row in recorded} >= {("seed", 3), ("optim.max_steps", 2)}


def test_early_stopping_keeps_the_best_checkpoint(recipe, truing, pairs_file, tmp_path):
    path = recipe(
        method="sft",
        data={"train": [str(pairs_file)], "eval_fraction": 0.25},
        optim={"learning_rate": 0.5, "items_per_step": 3, "epochs": 20, "schedule": "constant", "warmup": 0},
        evaluate={"every": 1, "patience": 2},
    )
    done = truing("train", path)
    assert done.returncode == 0, done.stderr
    rows = metrics_of(tmp_path / "run")
    losses = [row["eval/loss"] for row in rows]
    best = losses.index(min(losses)) + 1
    assert len(rows) == best + 2 < 60
    assert (tmp_path / "run" / "checkpoints" / f"step-{best:06d}").is_dir()


def test_print_config_is_a_recipe_that_loads_to_the_same(truing, recipe, tmp_path, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    path = recipe()
    done = truing("check", path, "--print-config")
    assert done.returncode == 0, done.stderr
    printed = tmp_path / "printed.yaml"
    printed.write_text(done.stdout)
    assert load_recipe(printed).recipe == load_recipe(path).recipe


@pytest.fixture
def described_only(recipe, model_folder, tmp_path):
    """A recipe whose policy is a folder without weights."""
    folder = tmp_path / "described"
    shutil.copytree(model_folder, folder, ignore=shutil.ignore_patterns("*.safetensors"))
    return recipe(policy=str(folder))


def test_a_plan_opens_no_weights(here, described_only):
    done = here("check", described_only, "--plan")
    assert done.returncode == 0, done.stderr
    starts = [line.split()[0] for line in done.stdout.splitlines()]
    assert starts == ["plan", "memory", "pace", "cheapest"]
    assert here("check", described_only).returncode == 2, "the check itself needs them"


def test_a_plan_for_gpus_of_several_nodes(here, described_only):
    done = here("check", described_only, "--gpus", "8xH200", "--nodes", "4", "--json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["machine"] == "32 x H200"
    assert [(one["name"], one["ranks"]) for one in found["layouts"]] == [
        ("one rank", 1),
        ("replicated", 32),
        ("sharded", 32),
    ]
    assert found["cheapest"] == "one rank"
    assert all(one["fits"] and one["total"] == sum(one["memory"].values()) for one in found["layouts"])


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--gpus", "8xV100"], "expected a number and a kind, such as 8xH200"),
        (["--nodes", "4"], "--nodes 4 needs --gpus"),
    ],
)
def test_a_wrong_machine_is_told(here, described_only, options, told):
    done = here("check", described_only, *options)
    assert done.returncode == 2
    assert told in done.stderr
