"""TRL's side of the comparison: one JSON line with seconds, peak memory and tokens. Run by `vs_trl.py`."""

import argparse
import importlib
import json
import os
import resource
import tempfile
import time
from typing import Any

import torch
from datasets import Dataset
from peft import LoraConfig
from transformers import AutoModelForCausalLM, AutoModelForSequenceClassification, AutoTokenizer
from workload import ITEMS_PER_STEP, LEARNING_RATE, LORA_RANK, METHODS, count_tokens, make_pairs, rows_for


def trainer_of(method: str) -> tuple[Any, Any]:
    """The peer's configuration and trainer; two of them live among its experimental ones."""
    where = f"trl.experimental.{method}" if method in ("orpo", "cpo") else "trl"
    module, name = importlib.import_module(where), "Reward" if method == "reward" else method.upper()
    return getattr(module, f"{name}Config"), getattr(module, f"{name}Trainer")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("method", choices=METHODS)
    parser.add_argument("model")
    parser.add_argument("--dtype", choices=["fp32", "bf16"], required=True)
    parser.add_argument("--prompt-words", type=int, required=True)
    parser.add_argument("--response-words", type=int, required=True)
    asked = parser.parse_args()
    os.environ["TRL_EXPERIMENTAL_SILENCE"] = "1"
    tokenizer = AutoTokenizer.from_pretrained(asked.model, padding_side="right")
    rows = rows_for(asked.method, make_pairs(asked.prompt_words, asked.response_words))
    config, trainer = trainer_of(asked.method)
    dtype = torch.bfloat16 if asked.dtype == "bf16" else torch.float32
    if scores := asked.method == "reward":
        model = AutoModelForSequenceClassification.from_pretrained(asked.model, num_labels=1, dtype=dtype)
    else:
        model = AutoModelForCausalLM.from_pretrained(asked.model, dtype=dtype)
    with tempfile.TemporaryDirectory() as folder:
        run = trainer(
            model,
            args=config(
                output_dir=folder,
                max_length=2048,
                per_device_train_batch_size=ITEMS_PER_STEP,
                num_train_epochs=1,
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
            train_dataset=Dataset.from_list(rows),
            processing_class=tokenizer,
            peft_config=LoraConfig(
                r=LORA_RANK,
                lora_alpha=2 * LORA_RANK,
                target_modules="all-linear",
                task_type="SEQ_CLS" if scores else "CAUSAL_LM",
            ),
        )
        start = time.perf_counter()
        run.train()
        seconds = time.perf_counter() - start
    tokens = count_tokens(tokenizer, rows)
    print(
        json.dumps(
            {
                "seconds": seconds,
                "tokens": tokens,
                "tokens_per_second": tokens / seconds,
                "peak_memory_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
                "losses": [row["loss"] for row in run.state.log_history if "loss" in row],
            }
        )
    )


if __name__ == "__main__":
    main()
