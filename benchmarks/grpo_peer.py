"""TRL's side of GRPO: one JSON line with seconds, peak memory and lengths. Run by `grpo_vs_trl.py`."""

import argparse
import json
import resource
import statistics
import tempfile
import time

import torch
from datasets import Dataset
from peft import LoraConfig
from transformers import AutoModelForCausalLM, AutoTokenizer
from trl import GRPOConfig, GRPOTrainer
from workload import (
    GROUP_SIZE,
    KL_WEIGHT,
    LEARNING_RATE,
    LORA_RANK,
    PROMPTS_PER_STEP,
    RESPONSE_TOKENS,
    Stopwatch,
    grpo_prompts,
    variety,
)


def trainer_in(folder: str, asked: argparse.Namespace) -> GRPOTrainer:
    """One prompt's group is a micro-batch; as many are accumulated as a step has prompts."""
    dtype = torch.bfloat16 if asked.dtype == "bf16" else torch.float32
    return GRPOTrainer(
        AutoModelForCausalLM.from_pretrained(asked.model, dtype=dtype),
        reward_funcs=variety,
        args=GRPOConfig(
            output_dir=folder,
            num_generations=GROUP_SIZE,
            max_completion_length=RESPONSE_TOKENS,
            beta=KL_WEIGHT,
            temperature=1.0,
            per_device_train_batch_size=GROUP_SIZE,
            gradient_accumulation_steps=PROMPTS_PER_STEP,
            max_steps=asked.steps,
            report_to=[],
            save_strategy="no",
            logging_steps=1,
            bf16=False,
            use_cpu=not torch.cuda.is_available(),
            gradient_checkpointing=False,
            learning_rate=LEARNING_RATE,
            lr_scheduler_type="constant",
            seed=0,
            disable_tqdm=True,
        ),
        train_dataset=Dataset.from_list(grpo_prompts(asked.prompt_words, asked.steps)),
        processing_class=AutoTokenizer.from_pretrained(asked.model, padding_side="left"),
        peft_config=LoraConfig(
            r=LORA_RANK, lora_alpha=2 * LORA_RANK, target_modules="all-linear", task_type="CAUSAL_LM"
        ),
    )


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("model")
    parser.add_argument("--dtype", choices=["fp32", "bf16"], required=True)
    parser.add_argument("--prompt-words", type=int, required=True)
    parser.add_argument("--steps", type=int, required=True)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        trainer, sampling = trainer_in(folder, asked), Stopwatch()
        trainer.model.generate = sampling.around(trainer.model.generate)
        start = time.perf_counter()
        trainer.train()
        seconds = time.perf_counter() - start
    steps = [row for row in trainer.state.log_history if "loss" in row]
    print(
        json.dumps(
            {
                "seconds": seconds,
                "sampling_seconds": sampling.seconds,
                "learning_seconds": seconds - sampling.seconds,
                "peak_memory_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
                "mean_response_tokens": statistics.mean(s["completions/mean_length"] for s in steps),
                "losses": [step["loss"] for step in steps],
            }
        )
    )


if __name__ == "__main__":
    main()
