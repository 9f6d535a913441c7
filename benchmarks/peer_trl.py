"""TRL's side of the comparison: one JSON line with seconds, peak memory and tokens. Run by `vs_trl.py`."""

import argparse
import json
import resource
import tempfile
import time

import torch
from datasets import Dataset
from peft import LoraConfig
from transformers import AutoModelForCausalLM, AutoTokenizer
from trl import DPOConfig, DPOTrainer, SFTConfig, SFTTrainer
from workload import ITEMS_PER_STEP, LEARNING_RATE, LORA_RANK, count_tokens, make_pairs, rows_for

TRAINERS = {"sft": (SFTConfig, SFTTrainer), "dpo": (DPOConfig, DPOTrainer)}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("method", choices=sorted(TRAINERS))
    parser.add_argument("model")
    parser.add_argument("--dtype", choices=["fp32", "bf16"], required=True)
    parser.add_argument("--prompt-words", type=int, required=True)
    parser.add_argument("--response-words", type=int, required=True)
    asked = parser.parse_args()
    tokenizer = AutoTokenizer.from_pretrained(asked.model, padding_side="right")
    rows = rows_for(asked.method, make_pairs(asked.prompt_words, asked.response_words))
    config, trainer = TRAINERS[asked.method]
    dtype = torch.bfloat16 if asked.dtype == "bf16" else torch.float32
    with tempfile.TemporaryDirectory() as folder:
        run = trainer(
            AutoModelForCausalLM.from_pretrained(asked.model, dtype=dtype),
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
                r=LORA_RANK, lora_alpha=2 * LORA_RANK, target_modules="all-linear", task_type="CAUSAL_LM"
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
