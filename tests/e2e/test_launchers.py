"""Many machines: the examples of docs/scale.md are read as their programs would, and two launchers meet."""

import json
import re
import shlex
import socket
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from torch.distributed.run import get_args_parser

from truing.config.run_folder import read_metrics

from ..verbs import Forked

PAGE = (Path(__file__).parents[2] / "docs" / "scale.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)
OF_SLURM = {
    "array",
    "cpus-per-task",
    "dependency",
    "gpus-per-node",
    "job-name",
    "nodes",
    "ntasks-per-node",
    "open-mode",
    "requeue",
    "signal",
}
(SERVICE, JOB) = next(list(yaml.safe_load_all(text)) for _, text in BLOCKS if "kind: Job" in text)
SCRIPTS = [text for _, text in BLOCKS if "#SBATCH" in text]


def launched(arguments: list[str]) -> Any:
    """The arguments as `torchrun` reads them; it ends the process for those that it does not know."""
    return get_args_parser().parse_args(arguments)


@pytest.mark.parametrize("script", SCRIPTS)
def test_a_script_of_slurm_is_shell_with_known_options(script: str):
    done = subprocess.run(["bash", "-n"], input=script, text=True, capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    options = re.findall(r"^#SBATCH --([\w-]+)", script, re.MULTILINE)
    assert options and set(options) <= OF_SLURM
    assert script.startswith("#!/bin/bash\n#SBATCH"), "sbatch reads no option behind a command"


def test_slurm_starts_one_launcher_a_machine_with_a_process_for_each_gpu():
    (script,) = (text for text in SCRIPTS if "torchrun" in text)
    told = dict(re.findall(r"^#SBATCH --([\w-]+)=(\S+)", script, re.MULTILINE))
    words = shlex.split(script.replace("\\\n", " ").replace("$SLURM_NNODES", told["nodes"]), comments=True)
    found = launched(words[words.index("torchrun") + 1 :])
    assert told["ntasks-per-node"] == "1"
    assert (found.nnodes, found.nproc_per_node) == (told["nodes"], told["gpus-per-node"])
    assert found.module and [found.training_script, *found.training_script_args][:2] == ["truing", "train"]


def test_the_pods_of_kubernetes_are_the_machines_and_meet_at_the_first():
    pod, spec = JOB["spec"]["template"]["spec"], JOB["spec"]
    (container,) = pod["containers"]
    found = launched(container["args"])
    assert container["command"] == ["torchrun"]
    assert found.module and [found.training_script, *found.training_script_args][:2] == ["truing", "train"]
    assert spec["completionMode"] == "Indexed" and spec["completions"] == spec["parallelism"]
    assert int(found.nnodes) == spec["completions"]
    assert int(found.nproc_per_node) == container["resources"]["limits"]["nvidia.com/gpu"]
    assert SERVICE["spec"]["selector"] == {"job-name": JOB["metadata"]["name"]}
    assert pod["subdomain"] == SERVICE["metadata"]["name"]
    host, _ = found.rdzv_endpoint.split(":")
    assert host == f"{JOB['metadata']['name']}-0.{pod['subdomain']}"
    assert {one["name"] for one in container["volumeMounts"]} == {one["name"] for one in pod["volumes"]}


@pytest.mark.slow
def test_two_launchers_meet_and_train_one_run(
    model_folder: Path, begun: Callable[..., Forked], tmp_path: Path
):
    rows = [{"prompt": f"Is it {n}?", "completion": "Yes."} for n in range(8)]
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    recipe = {
        "method": "sft",
        "policy": str(model_folder),
        "data": {"train": [str(tmp_path / "rows.jsonl")]},
        "lora": {"r": 2},
        "dtype": "float32",
        "optim": {"items_per_step": 4, "max_steps": 2},
        "output": str(tmp_path / "run"),
    }
    (tmp_path / "recipe.json").write_text(json.dumps(recipe), encoding="utf-8")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    meeting = ["--rdzv-id", "1", "--rdzv-backend", "c10d", "--rdzv-endpoint", f"127.0.0.1:{port}"]
    asked = ["--nnodes", "2", "--nproc-per-node", "1", *meeting]
    asked += ["-m", "truing", "train", str(tmp_path / "recipe.json")]
    both = [one.wait() for one in [begun(*asked, program="torch.distributed.run:main") for _ in range(2)]]
    assert [one.returncode for one in both] == [0, 0], both
    assert sum((one.stdout + one.stderr).count("2 steps; the result is in") for one in both) == 1
    rows = read_metrics(tmp_path / "run")
    assert [row["step"] for row in rows] == [1, 2]
    assert all(row["ranks/reduced_bytes"] > 0 for row in rows)
