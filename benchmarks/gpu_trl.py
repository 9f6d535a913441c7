"""TRL's side of `gpu.py`: the same rows as texts of one word a token, through its own trainers."""

import os
import tempfile
import time
from collections.abc import Sequence
from typing import Any

import torch
from datasets import Dataset
from peft import LoraConfig
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import AutoModelForCausalLM, PreTrainedTokenizerFast, TrainerCallback
from trl import DPOConfig, DPOTrainer, SFTConfig, SFTTrainer

from truing.core.memory import peak_bytes
from truing.data.trees import Tree

STEPS, WARM, EACH = 4, 1, 4  # steps, those that do not count, rows of a micro-batch


class Times(TrainerCallback):
    """The end of every step on the clock."""

    def __init__(self) -> None:
        self.ends: list[float] = []

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        self.ends.append(time.perf_counter())


def tokenizer_of(vocabulary: int) -> PreTrainedTokenizerFast:
    """Make a tokenizer whose words are the decimal numbers of its tokens."""
    made = Tokenizer(models.WordLevel({str(i): i for i in range(vocabulary)}, unk_token="0"))
    made.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    return PreTrainedTokenizerFast(tokenizer_object=made, pad_token="0", eos_token="1", unk_token="0")


def _text(tokens: Sequence[int]) -> str:
    return " ".join(map(str, tokens))


def _rows(method: str, trees: Sequence[Tree]) -> list[dict[str, str]]:
    names = ("completion",) if method == "sft" else ("chosen", "rejected")
    return [
        {"prompt": _text(tree.prompt) + " "}
        | {name: _text(branch.tokens) for name, branch in zip(names, tree.branches, strict=True)}
        for tree in trees
    ]


def train(method: str, lora: bool, config: Any, trees: Sequence[Tree], device: str) -> dict[str, Any]:
    """Train a few steps, each over all trees; return the seconds of a step and the peak in bytes."""
    os.environ["TRL_EXPERIMENTAL_SILENCE"] = "1"
    low = device != "cpu"
    torch.manual_seed(0)
    dtype = torch.bfloat16 if low and lora else torch.float32
    model = AutoModelForCausalLM.from_config(config, dtype=dtype)
    kind, trainer = (SFTConfig, SFTTrainer) if method == "sft" else (DPOConfig, DPOTrainer)
    times, each = Times(), min(EACH, len(trees))
    if low:
        torch.cuda.reset_peak_memory_stats()
    with tempfile.TemporaryDirectory() as folder:
        made = trainer(
            model,
            args=kind(
                output_dir=folder,
                max_length=None,
                per_device_train_batch_size=each,
                gradient_accumulation_steps=len(trees) // each,
                max_steps=STEPS,
                report_to=[],
                save_strategy="no",
                bf16=low,
                use_cpu=not low,
                gradient_checkpointing=False,
                learning_rate=1e-6,
                disable_tqdm=True,
            ),
            train_dataset=Dataset.from_list(_rows(method, trees)),
            processing_class=tokenizer_of(config.vocab_size),
            peft_config=LoraConfig(r=16, lora_alpha=32, target_modules="all-linear", task_type="CAUSAL_LM")
            if lora
            else None,
            callbacks=[times],
        )
        made.train()
    counted = len(times.ends) - WARM
    peak = torch.cuda.max_memory_allocated() if low else peak_bytes()
    return {"seconds": (times.ends[-1] - times.ends[WARM - 1]) / counted, "steps": counted, "peak": peak}
