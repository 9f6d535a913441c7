"""truing's side of the comparison, through the same recipe and session as `truing train`."""

import argparse
import json
import resource
import tempfile
import time
from pathlib import Path

import torch
from workload import (
    ITEMS_PER_STEP,
    LEARNING_RATE,
    LORA_RANK,
    METHODS,
    PAIRS,
    count_tokens,
    make_pairs,
    rows_for,
)

from truing.config.recipe import Recipe
from truing.config.run_folder import RunFolder, read_metrics
from truing.data.packing import pack
from truing.data.trees import Tree
from truing.models.machine import cpu_line
from truing.models.operations import TreeSizes, products_of
from truing.models.operations import operations as needed_operations
from truing.runs.online_session import OnlineSession
from truing.runs.run import run
from truing.runs.session import Session, open_session


def matrix_rate(dtype: torch.dtype, device: torch.device, hidden: int, inner: int) -> float:
    """Floating-point operations per second of the model's own products, the best of three rounds."""
    x = torch.randn(1024, hidden, dtype=dtype, device=device)
    up = torch.randn(inner, hidden, dtype=dtype, device=device)
    rounds, repeats = [], 40
    for _ in range(4):
        start = time.perf_counter()
        for _ in range(repeats):
            torch.nn.functional.linear(x, up)
        if device.type == "cuda":
            torch.cuda.synchronize()
        rounds.append(2 * 1024 * hidden * inner * repeats / (time.perf_counter() - start))
    return max(rounds[1:])


def operations(session: Session | OnlineSession, trees: list[Tree]) -> float:
    """Operations of the unique tokens of one packed row, by `truing.models.operations`.

    The reference is one more forward. KTO's mismatched pairs are left out: a share of KTO is lower than it
    would be with them.
    """
    batch = pack(trees)
    read = TreeSizes(batch.tokens.numel(), len(batch.target), int((batch.positions + 1).sum()))
    reads = int(session.chosen.needs_reference)
    return needed_operations(products_of(session.scorer.inner), read, reads=reads)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("method", choices=METHODS)
    parser.add_argument("model")
    parser.add_argument("--dtype", choices=["fp32", "bf16"], required=True)
    parser.add_argument("--prompt-words", type=int, required=True)
    parser.add_argument("--response-words", type=int, required=True)
    parser.add_argument("--pairs", type=int, default=PAIRS)
    asked = parser.parse_args()
    pairs = make_pairs(asked.prompt_words, asked.response_words, asked.pairs)
    rows = rows_for(asked.method, pairs)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
        recipe = Recipe.model_validate(
            {
                "method": asked.method,
                "policy": asked.model,
                "data": {"train": [str(folder / "rows.jsonl")]},
                "lora": {"r": LORA_RANK, "alpha": 2 * LORA_RANK},
                "optim": {
                    "learning_rate": LEARNING_RATE,
                    "items_per_step": ITEMS_PER_STEP,
                    "schedule": "constant",
                    "warmup": 0,
                },
                "dtype": "bfloat16" if asked.dtype == "bf16" else "float32",
                "output": str(folder / "run"),
            }
        )
        session = open_session(recipe)
        with RunFolder.open(recipe.output) as opened:
            start = time.perf_counter()
            run(session, opened)
            seconds = time.perf_counter() - start
            losses = [row["loss"] for row in read_metrics(opened.path)]
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    config = session.scorer.inner.config.get_text_config()
    dtype = session.precision.autocast or session.precision.base
    rate = matrix_rate(dtype, session.scorer.device, config.hidden_size, config.intermediate_size)
    needed = operations(session, session.train)
    tokens = count_tokens(session.tokenizer, rows)
    print(
        json.dumps(
            {
                "cpu": cpu_line(),
                "seconds": seconds,
                "tokens": tokens,
                "tokens_per_second": tokens / seconds,
                "peak_memory_mb": memory,
                "losses": losses,
                "unique_tokens": sum(map(len, session.train)),
                "gflop_needed": needed / 1e9,
                "gflops_of_matrix_products": rate / 1e9,
                "ceiling_share": needed / rate / seconds,
            }
        )
    )


if __name__ == "__main__":
    main()
