"""TRL's reward model on the rows of `reward_hh.py`: one JSON line with seconds and held-out margins."""

import argparse
import json
import tempfile
import time
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset
from peft import LoraConfig
from transformers import AutoModelForSequenceClassification, AutoTokenizer
from trl import RewardConfig, RewardTrainer

MICRO_BATCH = 2  # pairs; padded to the longest, more do not fit 24 GB


def rows_of(path: Path) -> list[dict[str, Any]]:
    """Preference rows as TRL reads them: a prompt and two answers, all lists of messages."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


@torch.no_grad()
def margins(model: Any, tokenizer: Any, rows: list[dict[str, Any]]) -> list[float]:
    """Score of the chosen less that of the rejected, each text on its own, without padding."""
    found = []
    for row in rows:
        sides = [
            tokenizer.apply_chat_template(row["prompt"] + row[side], return_tensors="pt", return_dict=True)
            for side in ("chosen", "rejected")
        ]
        chosen, rejected = (float(model(**side).logits[0, 0]) for side in sides)
        found.append(chosen - rejected)
    return found


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("model")
    parser.add_argument("folder", type=Path)
    parser.add_argument("name", choices=["lora", "full"])
    parser.add_argument("--rate", type=float, required=True)
    parser.add_argument("--epochs", type=float, required=True)
    parser.add_argument("--items-per-step", type=int, required=True)
    parser.add_argument("--max-tokens", type=int, required=True)
    asked = parser.parse_args()
    torch.manual_seed(0)
    tokenizer = AutoTokenizer.from_pretrained(asked.model, padding_side="right")
    model = AutoModelForSequenceClassification.from_pretrained(asked.model, num_labels=1, dtype=torch.float32)
    adapter = LoraConfig(r=16, lora_alpha=32, target_modules="all-linear", task_type="SEQ_CLS")
    with tempfile.TemporaryDirectory() as folder:
        trainer = RewardTrainer(
            model,
            args=RewardConfig(
                output_dir=folder,
                max_length=asked.max_tokens,
                per_device_train_batch_size=MICRO_BATCH,
                gradient_accumulation_steps=asked.items_per_step // MICRO_BATCH,
                num_train_epochs=asked.epochs,
                learning_rate=asked.rate,
                lr_scheduler_type="linear",
                warmup_steps=8,
                weight_decay=0.0,
                max_grad_norm=1.0,
                bf16=True,
                use_cpu=not torch.cuda.is_available(),
                gradient_checkpointing=False,
                disable_dropout=True,
                report_to=[],
                save_strategy="no",
                logging_steps=5,
                seed=0,
            ),
            train_dataset=Dataset.from_list(rows_of(asked.folder / "train.jsonl")),
            processing_class=tokenizer,
            peft_config=adapter if asked.name == "lora" else None,
        )
        start = time.perf_counter()
        trainer.train()
        seconds = time.perf_counter() - start
    trained = trainer.model.eval()
    held_out = margins(trained, tokenizer, rows_of(asked.folder / "held_out.jsonl"))
    print(json.dumps({"seconds": seconds, "margins": held_out}))


if __name__ == "__main__":
    main()
