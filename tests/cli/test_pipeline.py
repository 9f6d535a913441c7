"""`truing run` as people run it: three stages, an interruption, the same command again, what it refuses."""

import json
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
import yaml
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM

from truing.config.documents import read_document
from truing.models.trained import load_trained

ROOT = Path(__file__).parents[2]
Write = Callable[..., Path]


@pytest.fixture
def write(model_folder: Path, pairs_file: Path, tmp_path: Path) -> Write:
    """Writes SFT, a reward model and RLOO against it; keyword arguments are sections laid over a stage's."""

    def write(name: str = "stages.yaml", output: str = "runs", **changes: dict) -> Path:
        stages = {
            "sft": {"method": "sft"},
            "reward": {"method": "reward", "policy": "stage:sft"},
            "rloo": {
                "method": "rloo",
                "policy": "stage:sft",
                "rewards": [{"name": "model", "path": "stage:reward"}],
                "sampling": {"max_new_tokens": 4},
                "online": {"group_size": 2},
            },
        }
        content = {
            "output": str(tmp_path / output),
            "shared": {
                "policy": str(model_folder),
                "data": {"train": [str(pairs_file)]},
                "lora": {"r": 4},
                "optim": {"learning_rate": 1e-3, "items_per_step": 4},
                "dtype": "float32",
            },
            "stages": {stage: own | changes.get(stage, {}) for stage, own in stages.items()},
        }
        path = tmp_path / name
        path.write_text(yaml.safe_dump(content, sort_keys=False))
        return path

    return write


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return load_file(folder / "model" / "adapter_model.safetensors")


def state(folder: Path) -> str:
    return json.loads((folder / "status.json").read_text())["state"]


def test_stages_build_on_each_other_in_order_and_are_passed_over_when_done(truing, write, tmp_path):
    path, runs = write(), tmp_path / "runs"
    done = truing("run", path)
    assert done.returncode == 0, done.stderr
    headings = [line for line in done.stderr.splitlines() if line.startswith("stage ")]
    assert headings == [
        "stage 1 of 3: sft (supervised fine-tuning)",
        "stage 2 of 3: reward (reward model)",
        "stage 3 of 3: rloo (REINFORCE with a leave-one-out baseline)",
    ]
    assert f"truing chat {runs / 'rloo'} --against {runs / 'sft' / 'merged'}" in done.stderr
    assert all(state(runs / name) == "done" for name in ("sft", "reward", "rloo"))
    recipes = {
        name: json.loads((runs / name / "config.json").read_text())["recipe"] for name in ("reward", "rloo")
    }
    assert recipes["reward"]["policy"] == recipes["rloo"]["policy"] == str(runs / "sft" / "merged")
    assert recipes["rloo"]["rewards"][0]["path"] == str(runs / "reward")
    assert (runs / "rloo" / "samples.jsonl").exists()

    before = {file: file.stat().st_mtime_ns for file in runs.rglob("*.safetensors")}
    again = truing("run", path)
    assert again.returncode == 0, again.stderr
    passed = [line for line in again.stderr.splitlines() if line.startswith("stage ")]
    assert [line.partition(" is done")[0] for line in passed] == headings
    assert {file: file.stat().st_mtime_ns for file in runs.rglob("*.safetensors")} == before


def test_a_stage_begins_from_the_whole_weights_of_the_one_before(truing, write, tmp_path):
    """The merged policy answers as the base with its adapter does, in float32."""
    path = write(reward={"method": "dpo"}, rloo={"rewards": [{"name": "numeric"}], "policy": "stage:reward"})
    done = truing("run", path, "--set", "shared.optim.max_steps=1")
    assert done.returncode == 0, done.stderr
    ids = torch.tensor([[5, 6, 7, 8]])
    for name in ("sft", "reward"):
        run = tmp_path / "runs" / name
        merged = AutoModelForCausalLM.from_pretrained(run / "merged")
        assert merged.dtype == torch.float32
        adapted = load_trained(str(run), dtype="float32").model
        torch.testing.assert_close(merged(ids).logits, adapted(input_ids=ids).logits)


@pytest.mark.parametrize(("number", "stage"), [(signal.SIGINT, "sft"), (signal.SIGTERM, "rloo")])
def test_stopped_in_a_stage_it_resumes_there_and_ends_the_same(truing, begun, write, tmp_path, number, stage):
    optim = {"learning_rate": 1e-3, "items_per_step": 1, "epochs": 2}
    whole = write("whole.yaml", "whole", **{stage: {"optim": optim}})
    broken = write("broken.yaml", "broken", **{stage: {"optim": optim}})
    stopped = begun("run", broken).stop_after(2, tmp_path / "broken" / stage, number)
    assert stopped.returncode == 128 + number, stopped.stderr
    assert "the same command resumes here" in stopped.stderr
    assert "Traceback" not in stopped.stderr
    assert state(tmp_path / "broken" / stage) == "stopped"
    again = truing("run", broken)
    assert again.returncode == 0, again.stderr
    assert "resuming after step" in again.stderr
    assert ("sft (supervised fine-tuning) is done" in again.stderr) == (stage != "sft")
    assert truing("run", whole).returncode == 0
    ours, theirs = (weights(tmp_path / name / "rloo") for name in ("broken", "whole"))
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)


@pytest.mark.parametrize(
    ("stage", "change", "code", "told"),
    [
        ("rloo", {"data": {"train": ["absent.jsonl"]}}, 3, "stage rloo: absent.jsonl does not exist"),
        ("rloo", {"policy": "stage:stf"}, 2, "did you mean 'sft'?"),
    ],
)
def test_a_mistake_in_any_stage_is_found_before_the_first_is_trained(
    truing, write, tmp_path, stage, change, code, told
):
    done = truing("run", write(**{stage: change}))
    assert done.returncode == code, done.stderr
    assert told in " ".join(done.stderr.split())
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "runs").exists()


def test_a_stage_that_another_process_trains_is_told_before_the_imports(here, write, tmp_path):
    folder = tmp_path / "runs" / "reward"
    folder.mkdir(parents=True)
    (folder / "run.lock").write_text(json.dumps({"pid": 7, "host": "elsewhere", "birth": 1.0}))
    done = here("run", write())
    assert done.returncode == 2
    assert f"{folder} is in use by process 7 on elsewhere" in done.stderr.replace("\n", "")
    assert "importing torch" not in done.stderr


@pytest.mark.parametrize("pipeline", ["rlhf", "sft_dpo"])
def test_a_shipped_pipeline_runs(truing, model_folder, tmp_path, pipeline: str):
    """Three steps of every stage, on the rows of this repository."""
    path = ROOT / "recipes" / f"{pipeline}.yaml"
    stages = read_document(path).children["stages"].children
    flags = [f"shared.policy={model_folder}"]
    for name in stages:
        flags += [f"stages.{name}.optim.items_per_step=4", f"stages.{name}.optim.max_steps=3"]
    done = truing(
        "run",
        path,
        "--output",
        tmp_path / "runs",
        *(part for flag in flags for part in ("--set", flag)),
        cwd=ROOT,
    )
    assert done.returncode == 0, done.stderr
    for name in stages:
        assert len((tmp_path / "runs" / name / "metrics.jsonl").read_text().splitlines()) == 3
