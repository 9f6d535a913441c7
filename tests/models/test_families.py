"""Families that are not a Llama: the first loss is transformers' own, and what is exported says the same.

Every row is also scored by transformers alone, in a row of its own without padding, in float64 sums.
"""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    AutoModelForSeq2SeqLM,
    AutoTokenizer,
    PreTrainedModel,
)

from truing.config.recipe import Recipe
from truing.core.errors import ConfigError, ModelError
from truing.models.export import export_folder
from truing.models.load import freeze_below, trainable
from truing.runs.session import Session, open_session
from truing.sampling.local import LocalSampler
from truing.sampling.types import Sampling
from truing.training.step import accumulate, learn_step

WIDTH, LAYERS, HEADS = 32, 2, 4
SIZES = {
    "hidden_size": WIDTH,
    "intermediate_size": 48,
    "num_hidden_layers": LAYERS,
    "num_attention_heads": HEADS,
    "num_key_value_heads": 2,
    "max_position_embeddings": 160,
    "initializer_range": 0.3,
}
EXPERTS = {"num_experts_per_tok": 2, "num_local_experts": 4, "num_experts": 4, "moe_intermediate_size": 24}
FAMILIES: dict[str, tuple[str, dict[str, Any]]] = {
    "gpt2": ("gpt2", {"n_embd": WIDTH, "n_layer": LAYERS, "n_head": HEADS, "n_positions": 160}),
    "opt": ("opt", {"word_embed_proj_dim": WIDTH, "ffn_dim": 48, "dropout": 0.1, "init_std": 0.3}),
    "gpt_neox": ("gpt_neox", {"hidden_dropout": 0.1, "attention_dropout": 0.1}),
    "phi": ("phi", {"resid_pdrop": 0.1, "embd_pdrop": 0.1}),
    "phi3": ("phi3", {"resid_pdrop": 0.1, "sliding_window": 12}),
    "gemma3": (
        "gemma3_text",
        {"head_dim": 8, "sliding_window": 12, "layer_types": ["sliding_attention", "full_attention"]},
    ),
    "qwen3": ("qwen3", {"head_dim": 16}),
    "mistral": ("mistral", {"sliding_window": 12}),
    "mixtral": ("mixtral", EXPERTS),
    "qwen3_moe": ("qwen3_moe", EXPERTS),
    "bloom": ("bloom", {"n_layer": LAYERS, "n_head": HEADS, "hidden_dropout": 0.1}),
    "mamba": ("mamba", {"state_size": 8, "expand": 2}),
}
# What follows the last layer, and the names of the last layer's parameters.
TOP = {
    "gpt2": ("transformer.h.1.", "transformer.ln_f."),
    "opt": ("model.decoder.layers.1.", "model.decoder.final_layer_norm."),
    "gpt_neox": ("gpt_neox.layers.1.", "gpt_neox.final_layer_norm."),
    "phi": ("model.layers.1.", "model.final_layernorm."),
    "bloom": ("transformer.h.1.", "transformer.ln_f."),
    "mamba": ("backbone.layers.1.", "backbone.norm_f."),
}
EACH = pytest.mark.parametrize("family", FAMILIES)


@pytest.fixture(scope="module")
def folder(model_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """The folder of a family's tiny model, with the tokenizer of the tiny Llama."""
    made: dict[str, Path] = {}
    tokenizer = AutoTokenizer.from_pretrained(model_folder)
    ends = {"eos_token_id": tokenizer.eos_token_id, "pad_token_id": tokenizer.pad_token_id}

    def make(family: str) -> Path:
        if family not in made:
            kind, changes = FAMILIES[family]
            torch.manual_seed(0)
            sizes = {**SIZES, "vocab_size": len(tokenizer), "bos_token_id": None, **ends, **changes}
            if kind in ("gpt2", "bloom"):
                sizes = {key: value for key, value in sizes.items() if not key.startswith("num_")}
            model = AutoModelForCausalLM.from_config(AutoConfig.for_model(kind, **sizes))
            made[family] = tmp_path_factory.mktemp(family)
            model.save_pretrained(made[family])
            tokenizer.save_pretrained(made[family])
        return made[family]

    return make


@pytest.fixture
def opened(folder, pairs_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Opens a session on the first step of the twelve pairs, with an adapter or without."""
    monkeypatch.setenv("TRUING_CACHE", str(tmp_path / "cache"))

    def make(family: str, method: str, lora: dict[str, Any] | None, **changes: Any) -> Session:
        recipe = {
            "method": method,
            "policy": str(folder(family)),
            "data": {"train": str(pairs_file)},
            "dtype": "float32",
            "lora": lora,
            "optim": {"items_per_step": 12},
        }
        return open_session(Recipe.model_validate(recipe | changes), first_step=True)

    return make


@torch.no_grad()
def own_loss(model: PreTrainedModel, session: Session) -> float:
    """The mean negative log-probability that transformers gives the learnt tokens of a session."""
    total, count = 0.0, 0
    for tree in session.train:
        branch = tree.branches[0]
        tokens = torch.tensor([[*tree.prompt, *branch.tokens]])
        logps = model.eval()(input_ids=tokens).logits[0, :-1].double().log_softmax(-1)
        said = logps.gather(1, tokens[0, 1:, None])[len(tree.prompt) - 1 :, 0][torch.tensor(branch.scored)]
        total, count = total - float(said.sum()), count + len(said)
    return total / count


@EACH
@pytest.mark.parametrize("lora", [None, {"r": 2}], ids=["full", "lora"])
def test_the_first_loss_is_transformers_own_and_the_export_says_what_was_learnt(
    opened, folder, tmp_path, family, lora
):
    session = opened(family, "sft", lora)
    passes, objective = session.first_step()
    plain = AutoModelForCausalLM.from_pretrained(folder(family))
    assert accumulate(passes, objective)["loss"] == pytest.approx(own_loss(plain, session), rel=1e-6)
    optimizer = torch.optim.SGD(trainable(session.model).values(), lr=0.3 if lora else 0.05)
    for _ in range(2 if lora else 1):  # the first moves B alone
        learn_step(optimizer, passes, objective)
    with torch.no_grad():
        learnt = accumulate(passes, objective, backward=False)["loss"]
    target = export_folder(session.model, session.tokenizer, tmp_path / "out", merge=True)
    again = own_loss(AutoModelForCausalLM.from_pretrained(target), session)
    assert again == pytest.approx(learnt, rel=1e-5)
    assert abs(again - own_loss(plain, session)) > 1e-4, "it has learnt"


@EACH
@pytest.mark.parametrize("lora", [None, {"r": 2}], ids=["full", "lora"])
def test_dpo_begins_at_log_two(opened, family, lora):
    session = opened(family, "dpo", lora)
    assert accumulate(*session.first_step())["loss"] == pytest.approx(math.log(2), abs=1e-6)


@pytest.mark.parametrize("family", TOP)
def test_top_layers_train_the_last_layers_and_the_final_norm(folder, family):
    model = AutoModelForCausalLM.from_pretrained(folder(family))
    freeze_below(model, 1)
    wanted = {name for name, _ in model.named_parameters() if name.startswith(TOP[family])}
    assert set(trainable(model)) == wanted
    assert all(any(name.startswith(part) for name in wanted) for part in TOP[family])


@pytest.mark.parametrize("family", ["mixtral", "qwen3_moe"])
def test_experts_that_no_adapter_reaches_are_told(folder, pairs_file, family):
    recipe = {"method": "sft", "policy": str(folder(family)), "data": {"train": str(pairs_file)}}
    said: list[str] = []
    open_session(Recipe.model_validate(recipe | {"dtype": "float32", "lora": {"r": 2}}), said.append)
    assert any("lora.targets reaches no expert: 4 tensors of experts" in line for line in said)


@pytest.mark.parametrize("family", ["bloom", "mamba"])
def test_models_without_positions_are_sampled_as_transformers_samples_them(folder, family):
    model = AutoModelForCausalLM.from_pretrained(folder(family)).eval()
    tokenizer = AutoTokenizer.from_pretrained(folder(family))
    prompts = [[20, 21, 22, 23], [30, 31]]
    sampler = LocalSampler(model, tokenizer, stop_ids=frozenset())
    found = sampler.sample(prompts, Sampling(max_new_tokens=6, temperature=0.0), group_size=2)
    for sample in found:
        prompt = prompts[sample.prompt]
        ids = list(prompt)
        for _ in range(6):
            with torch.no_grad():
                ids.append(int(model(torch.tensor([ids])).logits[0, -1].argmax()))
        assert list(sample.tokens) == ids[len(prompt) :]


def test_a_family_that_is_no_causal_model_is_named(model_folder, tmp_path, pairs_file):
    config = AutoConfig.for_model(
        "t5", d_model=16, d_ff=16, d_kv=4, num_layers=1, num_heads=2, vocab_size=400
    )
    AutoModelForSeq2SeqLM.from_config(config).save_pretrained(tmp_path)
    AutoTokenizer.from_pretrained(model_folder).save_pretrained(tmp_path)
    recipe = {"method": "sft", "policy": str(tmp_path), "data": {"train": str(pairs_file)}}
    with pytest.raises(ModelError, match="is of the family t5, which is no causal language model"):
        open_session(Recipe.model_validate(recipe))


def test_rows_longer_than_the_table_of_positions_are_a_mistake(opened, tmp_path):
    long = tmp_path / "long.jsonl"
    long.write_text('{"prompt": "Why?", "completion": "' + "so " * 200 + '"}')
    with pytest.raises(ConfigError, match="and GPT2LMHeadModel has 160 positions"):
        opened("gpt2", "sft", None, data={"train": str(long)})
