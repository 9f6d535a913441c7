"""Seconds and memory of verbs over more rows than memory would hold as lists.

usage: python benchmarks/large_rows.py --rows 200000
       python benchmarks/large_rows.py --rows 1000000 --bytes 2000 --steps 200

Makes preference pairs of random words and a tiny model of random weights with SmolLM2's tokenizer, then runs
each verb in a process of its own:

    data check          every row read
    check, first        read, tokenised, stored; the first step's loss of DPO with LoRA, with an empty cache
    check, 2 epochs     the same for two epochs, with an empty cache of its own
    check, again        the stored rows opened
    train               some steps, on rows shuffled over the whole file
    train, resumed      twice the steps: the run goes on from its checkpoint
    resumed, few rows   the same of a run on as many rows as its steps have: imports, the model, the steps

The last line is the resume less that of few rows. A goal stands beside a figure for 200 000 rows of 390 bytes
on two cores that do nothing else.

`memory` is the peak of the verb's own process, with the pages of files that it maps; `together` is the
largest sum over it and its workers, sampled ten times a second, each page counted once (PSS).
"""

import argparse
import json
import os
import random
import re
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import torch
from transformers import AutoTokenizer, LlamaConfig, LlamaForCausalLM

from truing.config.names import SMALL_MODEL
from truing.models.sources import resolve

TEXT = """
the of and to in is you that it he was for on are as with his they be at this have from or one had by word
but not what all were we when your can said there use an each which she do how their if will up other about
out many then them these so some her would make like him into time has look two more write
"""
WORDS = TEXT.split()
STEP = 32  # rows, as recipes have it
SHARES = {"prompt": 0.25, "chosen": 0.4, "rejected": 0.35}  # of a row's words


def write_rows(path: Path, count: int, size: int) -> None:
    """Write `count` pairs of about `size` bytes each."""
    draw = random.Random(0)
    words = size / (sum(map(len, WORDS)) / len(WORDS) + 1)
    counts = {key: max(1, round(share * words) - 3) for key, share in SHARES.items()}
    with path.open("w", encoding="utf-8") as file:
        for number in range(count):
            row = {key: " ".join(draw.choices(WORDS, k=k)) for key, k in counts.items()}
            row["prompt"] = f"{number}: {row['prompt']}?"
            file.write(json.dumps(row) + "\n")


def write_model(folder: Path) -> None:
    """Write a Llama of two layers and 64 dimensions that reads SmolLM2's tokens."""
    tokenizer = AutoTokenizer.from_pretrained(resolve(SMALL_MODEL).path)
    tokenizer.save_pretrained(folder)
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=2048,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    LlamaForCausalLM(config).save_pretrained(folder)


@dataclass(frozen=True)
class Measured:
    """The cost of one verb."""

    verb: str
    seconds: float
    processor: float  # seconds of all its processes
    memory: int  # bytes
    together: int  # bytes


def run(verb: str, *arguments: str, cwd: Path) -> Measured:
    """Run `truing ARGUMENTS`. Raises SystemExit with its output where it fails."""
    log = cwd / "log.txt"
    start = time.perf_counter()
    with log.open("wb") as file:
        streams = [(os.POSIX_SPAWN_DUP2, file.fileno(), number) for number in (1, 2)]
        command = [sys.executable, "-m", "truing", *arguments]
        pid = os.posix_spawn(sys.executable, command, os.environ, file_actions=streams)
    most, ended = Peaks(), threading.Event()
    sampler = threading.Thread(target=_sample, args=(pid, most, ended))
    sampler.start()
    _, status, usage = os.wait4(pid, 0)  # its peak of memory would begin with that of this process
    seconds = time.perf_counter() - start
    ended.set()
    sampler.join()
    if os.waitstatus_to_exitcode(status):
        sys.exit(f"{verb} failed:\n{log.read_text('utf-8', errors='replace')}")
    return Measured(verb, seconds, usage.ru_utime + usage.ru_stime, most.own, most.together)


@dataclass
class Peaks:
    """The most memory seen so far, in bytes."""

    own: int = 0
    together: int = 0


def _sample(pid: int, most: Peaks, ended: threading.Event) -> None:
    status = Path(f"/proc/{pid}/status")
    while not ended.wait(0.1):
        try:
            process = psutil.Process(pid)
            found = [one.memory_full_info().pss for one in (process, *process.children(recursive=True))]
            peak = re.search(r"VmHWM:\s+(\d+) kB", status.read_text("utf-8"))
        except (psutil.Error, OSError):  # one of them has ended
            continue
        most.together = max(most.together, sum(found))
        most.own = max(most.own, 1024 * int(peak[1]) if peak else 0)


def settings_of(folder: Path, rows: Path, run: str, steps: int) -> dict[str, Any]:
    """Return a recipe of DPO with LoRA on some rows."""
    return {
        "method": "dpo",
        "policy": str(folder / "model"),
        "data": {"train": [str(rows)]},
        "lora": {"r": 8},
        "optim": {"max_steps": steps},
        "output": str(folder / run),
    }


def tell(found: Measured, goal: str = "") -> None:
    print(
        f"{found.verb:18}{found.seconds:9.1f}{found.processor:11.1f}"
        f"{found.memory / 1e9:6.2f} GB{found.together / 1e9:7.2f} GB  {goal}".rstrip(),
        flush=True,
    )


def measure(folder: Path, rows: Path, steps: int) -> None:
    """Run all verbs in a folder and print their costs."""
    recipe, few = folder / "recipe.json", folder / "few.json"
    recipe.write_text(json.dumps(settings_of(folder, rows, "run", steps)), encoding="utf-8")
    write_rows(folder / "few.jsonl", 2 * steps * STEP, 390)
    few.write_text(json.dumps(settings_of(folder, folder / "few.jsonl", "few", steps)), encoding="utf-8")
    again = ("--set", f"optim.max_steps={2 * steps}", "--allow-change", "optim.max_steps")

    def verb(name: str, *arguments: str, goal: str = "", cache: str = "cache") -> Measured:
        os.environ["TRUING_CACHE"] = str(folder / cache)
        found = run(name, *arguments, cwd=folder)
        tell(found, goal)
        return found

    twice = ("--set", "optim.epochs=2", "--set", "optim.max_steps=null")
    verb("data check", "data", "check", str(rows), goal="< 15 s")
    verb("check, first", "check", str(recipe), "--json", goal="< 60 s, < 1.5 GB")
    verb("check, 2 epochs", "check", str(recipe), "--json", *twice, goal="< 60 s, < 1.5 GB", cache="other")
    verb("check, again", "check", str(recipe), "--json")
    verb("train", "train", str(recipe))
    resumed = verb("train, resumed", "train", str(recipe), *again)
    run("train, few rows", "train", str(few), cwd=folder)
    base = verb("resumed, few rows", "train", str(few), *again)
    seconds, processor = resumed.seconds - base.seconds, resumed.processor - base.processor
    print(f"{'resume, its rows':18}{seconds:9.1f}{processor:11.1f}{'< 15 s':>25}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=20_000)
    parser.add_argument("--bytes", type=int, default=390, help="of one row, about")
    parser.add_argument("--steps", type=int, default=20, help="of training, 32 rows each")
    parser.add_argument("--folder", type=Path, help="for 10 times the bytes of the rows")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=asked.folder) as name:
        folder = Path(name)
        rows = folder / "rows.jsonl"
        write_rows(rows, asked.rows, asked.bytes)
        write_model(folder / "model")
        os.environ["HF_HUB_OFFLINE"] = "1"
        print(f"{asked.rows} rows, {rows.stat().st_size / 1e6:.0f} MB; load {os.getloadavg()[0]:.1f}")
        print(f"{'verb':18}{'seconds':>9}{'processor':>11}{'memory':>9}{'together':>10}  goal")
        measure(folder, rows, asked.steps)


if __name__ == "__main__":
    main()
