"""truing's side of GRPO, through the same recipe and session as `truing train`. Run by `grpo_vs_trl.py`."""

import argparse
import json
import resource
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

from ours import matrix_rate, operations
from workload import (
    GROUP_SIZE,
    KL_WEIGHT,
    LEARNING_RATE,
    LORA_RANK,
    PROMPTS_PER_STEP,
    RESPONSE_TOKENS,
    Stopwatch,
    grpo_prompts,
)

from truing.config.recipe import Recipe
from truing.config.run_folder import RunFolder, read_metrics
from truing.data.trees import Tree
from truing.models.machine import cpu_line
from truing.runs.online_session import OnlineSession
from truing.runs.opening import open_run
from truing.runs.run import run


def recipe_in(folder: Path, asked: argparse.Namespace) -> Recipe:
    """GRPO with a LoRA adapter on the workload's prompts, written to `folder`."""
    prompts = grpo_prompts(asked.prompt_words, asked.steps)
    (folder / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in prompts), encoding="utf-8")
    return Recipe.model_validate(
        {
            "method": "grpo",
            "policy": asked.model,
            "data": {"train": [str(folder / "rows.jsonl")]},
            "lora": {"r": LORA_RANK, "alpha": 2 * LORA_RANK},
            "rewards": [{"name": "workload:variety"}],
            "sampling": {"max_new_tokens": RESPONSE_TOKENS},
            "online": {"group_size": GROUP_SIZE},
            "loss": {"kl_weight": KL_WEIGHT},
            "optim": {
                "learning_rate": LEARNING_RATE,
                "items_per_step": PROMPTS_PER_STEP,
                "max_steps": asked.steps,
                "schedule": "constant",
                "warmup": 0,
            },
            "dtype": "bfloat16" if asked.dtype == "bf16" else "float32",
            "output": str(folder / "run"),
        }
    )


def keep_trees(session: OnlineSession) -> list[list[Tree]]:
    """A list that fills with the trees of each step as it is gathered."""
    gather, kept = session.gather, []

    def gathered(step: int) -> Any:
        found = gather(step)
        kept.append(list(found.objective.experience.trees.values()))
        return found

    session.gather = gathered
    return kept


def learning_share(session: OnlineSession, steps: list[list[Tree]], seconds: float) -> float:
    """The share of `seconds` that both passes, reference and learning, need at the rate of plain products."""
    config = session.scorer.inner.config.get_text_config()
    dtype = session.precision.autocast or session.precision.base
    rate = matrix_rate(dtype, session.scorer.device, config.hidden_size, config.intermediate_size)
    return sum(operations(session, trees) for trees in steps) / rate / seconds


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("model")
    parser.add_argument("--dtype", choices=["fp32", "bf16"], required=True)
    parser.add_argument("--prompt-words", type=int, required=True)
    parser.add_argument("--steps", type=int, required=True)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        session = open_run(recipe_in(Path(folder), asked))
        assert isinstance(session, OnlineSession)
        sampling, trees = Stopwatch(), keep_trees(session)
        session.sampler.sample = sampling.around(session.sampler.sample)
        with RunFolder.open(session.recipe.output) as opened:
            start = time.perf_counter()
            run(session, opened)
            seconds = time.perf_counter() - start
            steps = read_metrics(opened.path)
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    learning = sum(step["seconds"] for step in steps) - sampling.seconds
    print(
        json.dumps(
            {
                "cpu": cpu_line(),
                "seconds": seconds,
                "sampling_seconds": sampling.seconds,
                "learning_seconds": learning,
                "peak_memory_mb": memory,
                "mean_response_tokens": statistics.mean(s["completions/mean_length"] for s in steps),
                "losses": [step["loss"] for step in steps],
                "learning_ceiling_share": learning_share(session, trees, learning),
            }
        )
    )


if __name__ == "__main__":
    main()
