"""One DPO step with LoRA at the size of models people align: random weights in the shapes of Qwen2.5.

usage: python benchmarks/sizes.py [--size 0.5b] [--dtype fp32] [--json]

The weights are drawn here, since speed and memory depend on shapes alone; the tokenizer is SmolLM2's, whose
ids lie within the vocabulary. The step is the first of its process, so that what a run pays once (kernels,
pages of memory) is in it. Speed, memory and share of the ceiling are those of `vs_trl.py`.
"""

import argparse
import json
import sys
import tempfile
from pathlib import Path

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, Qwen2Config
from vs_trl import MODEL, run_side
from workload import ITEMS_PER_STEP

from truing.models.sources import resolve

SHAPES = {
    "0.5b": {
        "hidden_size": 896,
        "num_hidden_layers": 24,
        "num_attention_heads": 14,
        "num_key_value_heads": 2,
        "intermediate_size": 4864,
    },
    "1.5b": {
        "hidden_size": 1536,
        "num_hidden_layers": 28,
        "num_attention_heads": 12,
        "num_key_value_heads": 2,
        "intermediate_size": 8960,
    },
}
VOCABULARY = 151_936


def write_model(size: str, folder: Path) -> float:
    """Write random weights in bfloat16, as such models are shipped; returns how many parameters, in 10⁹."""
    tokenizer = AutoTokenizer.from_pretrained(resolve(MODEL).path)
    tokenizer.save_pretrained(folder)
    ends = {"bos_token_id": tokenizer.bos_token_id, "eos_token_id": tokenizer.eos_token_id}
    config = Qwen2Config(vocab_size=VOCABULARY, tie_word_embeddings=True, **ends, **SHAPES[size])
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_config(config, dtype=torch.bfloat16)
    model.save_pretrained(folder)
    return sum(parameter.numel() for parameter in model.parameters()) / 1e9


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", choices=SHAPES, default="0.5b")
    parser.add_argument("--dtype", choices=["fp32", "bf16"], default="fp32")
    parser.add_argument("--prompt-words", type=int, default=115)
    parser.add_argument("--response-words", type=int, default=58)
    parser.add_argument("--json", action="store_true", help="print one JSON object and nothing else")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        parameters = write_model(asked.size, Path(name))
        lengths = ["--prompt-words", asked.prompt_words, "--response-words", asked.response_words]
        workload = ["dpo", name, "--dtype", asked.dtype, *lengths, "--pairs", ITEMS_PER_STEP]
        found = run_side(Path(sys.executable), "ours.py", *workload)
    if asked.json:
        print(json.dumps({"size": asked.size, "dtype": asked.dtype, "parameters_1e9": parameters, **found}))
        return
    print(
        f"DPO {asked.dtype}, {parameters:.2f} billion parameters, one step of {ITEMS_PER_STEP} pairs: "
        f"{found['seconds']:.1f} s, {found['tokens_per_second']:.1f} tokens/s, "
        f"{found['peak_memory_mb']} MB, {found['ceiling_share']:.0%} of the ceiling ({found['cpu']})"
    )


if __name__ == "__main__":
    main()
