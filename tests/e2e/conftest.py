"""A tiny model folder with a ChatML tokenizer, and the command line run as users run it."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

CHATML = (
    "{% for m in messages %}"
    "{{ '<|im_start|>' + m['role'] + '\n' + m['content'] + '<|im_end|>\n' }}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
TEXT = ["How do I bake bread at home?", "Mix flour, water and salt.", "I can't help with that.", "你好，世界"]


@pytest.fixture(scope="session")
def model_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A 2-layer Llama with random weights that transformers opens."""
    folder = tmp_path_factory.mktemp("tiny")
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    special = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=320, special_tokens=special, initial_alphabet=alphabet)
    tokenizer.train_from_iterator(TEXT, trainer)
    wrapped = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, eos_token="<|im_end|>", pad_token="<|endoftext|>", chat_template=CHATML
    )
    wrapped.save_pretrained(folder)
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=len(wrapped),
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=512,
        eos_token_id=wrapped.eos_token_id,
        pad_token_id=wrapped.pad_token_id,
        bos_token_id=None,
    )
    LlamaForCausalLM(config).save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def pairs_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve preference pairs."""
    path = tmp_path_factory.mktemp("rows") / "pairs.jsonl"
    rows = [
        {"prompt": f"Question {i}?", "chosen": f"Answer {i} is {'good ' * (i % 4)}yes", "rejected": f"No {i}"}
        for i in range(12)
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


@pytest.fixture
def recipe(model_folder: Path, pairs_file: Path, tmp_path: Path) -> Callable[..., Path]:
    """Writes a recipe for the tiny model; keyword arguments replace top-level keys."""

    def write(name: str = "recipe.json", **changes: object) -> Path:
        content = {
            "method": "dpo",
            "policy": str(model_folder),
            "data": {"train": [str(pairs_file)]},
            "lora": {"r": 4, "dropout": 0.1},
            "optim": {"learning_rate": 1e-3, "items_per_step": 3, "epochs": 2},
            "checkpoint": {"every": 2},
            "dtype": "float32",
            "tokens_per_pass": 128,
            "output": str(tmp_path / "run"),
        }
        path = tmp_path / name
        path.write_text(json.dumps(content | changes))
        return path

    return write


@pytest.fixture(scope="session")
def truing() -> Callable[..., subprocess.CompletedProcess[str]]:
    """Runs `truing ARGS` in a process of its own."""

    def run(*args: object, **options) -> subprocess.CompletedProcess[str]:
        env = {**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1", "NO_COLOR": "1"}
        command = [sys.executable, "-m", "truing.cli.main", *map(str, args)]
        return subprocess.run(command, capture_output=True, text=True, env=env, check=False, **options)

    return run
