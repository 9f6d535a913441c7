"""The models of a run: what trains, in which layout, and what is said of it."""

from pathlib import Path

import pytest
import torch
from peft import PeftModel

from truing.config.recipe import Recipe
from truing.methods.offline import choose
from truing.models.load import load_tokenizer
from truing.models.reward import RewardScorer
from truing.models.scoring import Scorer
from truing.runs.policies import precision_of, renderer_of, tell_of, trained_of, trained_policy

CPU = torch.device("cpu")


def recipe(folder: Path, method: str = "dpo", **changes) -> Recipe:
    content = {"method": method, "policy": str(folder), "data": {"train": "t"}, "dtype": "float32", **changes}
    return Recipe.model_validate(content)


def policy(folder: Path, *, dropout: bool = False, **changes) -> Scorer:
    asked = recipe(folder, **changes)
    return trained_policy(asked, folder, precision_of(asked, CPU, print), CPU, dropout=dropout)[0]


def trains(scorer: torch.nn.Module) -> set[str]:
    return {name for name, one in scorer.named_parameters() if one.requires_grad}


def test_an_adapter_trains_alone_or_all_weights_do(model_folder: Path):
    adapted, full = policy(model_folder, lora={"r": 2}), policy(model_folder)
    assert isinstance(adapted.model, PeftModel) and all("lora_" in name for name in trains(adapted))
    assert trains(full) == {name for name, _ in full.named_parameters()}
    assert adapted.layout == full.layout == "trees"


def test_only_the_upper_layers_train_where_it_is_asked(model_folder: Path):
    names = trains(policy(model_folder, top_layers=1))
    assert names and not any(".layers.0." in name or "embed_tokens" in name for name in names)


@pytest.mark.parametrize("dropout", [True, False])
def test_the_adapters_dropout_is_kept_where_the_method_wants_it(model_folder: Path, dropout: bool):
    scorer = policy(model_folder, dropout=dropout, lora={"r": 2, "dropout": 0.5})
    rates = {one.p for one in scorer.modules() if isinstance(one, torch.nn.Dropout) and one.p}
    assert scorer.training and rates == ({0.5} if dropout else set())


def test_a_reward_method_opens_a_scorer_of_branches(model_folder: Path):
    asked, chosen = recipe(model_folder, "reward"), choose("reward", None, {})
    tokenizer = load_tokenizer(model_folder)
    found = trained_of(asked, model_folder, tokenizer, precision_of(asked, CPU, print), CPU, chosen)
    assert isinstance(found.scorer, RewardScorer) and any("score" in name for name in trains(found.scorer))


def test_padded_rows_are_told_with_their_reason(model_folder: Path):
    said: list[str] = []
    scorer = policy(model_folder, packing="padded")
    tell_of(scorer, "the recipe asks for it", said.append)
    assert said == ["rows are padded, not packed: the recipe asks for it"]


def test_responses_end_where_the_folder_says(model_folder: Path):
    renderer = renderer_of(recipe(model_folder), model_folder)
    assert load_tokenizer(model_folder).convert_tokens_to_ids("<|im_end|>") in renderer.stop_ids
