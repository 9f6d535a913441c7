import json
from collections.abc import Iterator
from typing import Any

import pytest
from pydantic import BaseModel, ValidationError

from truing.config.recipe import EvaluateSection, Lora, LossSection, Optim, Recipe, Section, json_schema

from ..tables import each

MINIMAL: dict[str, Any] = {"method": "dpo", "policy": "model", "data": {"train": ["pairs.jsonl"]}}


def sections(model: type[BaseModel] = Section) -> Iterator[type[BaseModel]]:
    for one in model.__subclasses__():
        yield one
        yield from sections(one)


def test_a_minimal_recipe_has_the_documented_defaults():
    recipe = Recipe.model_validate(MINIMAL)
    assert recipe.lora is None
    assert recipe.reference is None
    assert recipe.loss.name is None
    assert recipe.optim.learning_rate is None
    assert (recipe.optim.items_per_step, recipe.optim.warmup, recipe.optim.betas) == (32, 0.1, (0.9, 0.999))
    assert (recipe.checkpoint.every, recipe.checkpoint.keep) == (100, 2)
    assert (recipe.data.max_tokens, recipe.data.truncation, recipe.data.bad_rows) == (2048, "drop", "stop")


def test_an_empty_lora_section_is_an_adapter_with_defaults():
    lora = Recipe.model_validate({**MINIMAL, "lora": {}}).lora
    assert lora is not None
    assert lora == Lora(r=16)
    assert lora.effective_alpha == 32
    assert Lora(r=8, alpha=4).effective_alpha == 4
    assert Lora.model_validate({"targets": ["q_proj", "v_proj"]}).targets == ("q_proj", "v_proj")


def test_one_file_may_be_given_without_a_list():
    recipe = Recipe.model_validate({**MINIMAL, "data": {"train": "a.jsonl", "eval": "b.jsonl"}})
    assert (recipe.data.train, recipe.data.eval) == (("a.jsonl",), ("b.jsonl",))


def test_other_keys_of_the_loss_are_its_hyper_parameters_with_their_types():
    loss = LossSection.model_validate({"name": "dpo", "beta": 0.1, "steps": 2, "average": True, "mode": "no"})
    assert loss.hyper == {"beta": 0.1, "steps": 2, "average": True, "mode": "no"}
    assert loss.hyper["average"] is True
    assert type(loss.hyper["steps"]) is int


def test_a_mix_is_several_losses_and_their_weights():
    loss = LossSection.model_validate({"mix": {"dpo": 1, "my_losses:margin": 0.25}, "beta": 0.1})
    assert loss.mix == {"dpo": 1.0, "my_losses:margin": 0.25}
    assert (loss.name, loss.hyper) == (None, {"beta": 0.1})


@pytest.mark.parametrize(
    ("warmup", "total", "steps"), [(0.1, 100, 10), (0.1, 5, 1), (0.0, 100, 0), (20, 100, 20), (20, 5, 5)]
)
def test_warmup_is_a_share_below_one_and_steps_from_one_on(warmup: float, total: int, steps: int):
    assert Optim(warmup=warmup).warmup_steps(total) == steps


@each(
    "wrong",
    [
        {"optim": {"learning_rate": 0}},
        {"optim": {"learning_rate": -1e-5}},
        {"optim": {"learning_rate": float("nan")}},
        {"optim": {"epochs": 0}},
        {"optim": {"epochs": True}},
        {"optim": {"max_steps": True}},
        {"optim": {"items_per_step": 0}},
        {"optim": {"items_per_step": 1.5}},
        {"optim": {"warmup": 2.5}},
        {"optim": {"betas": [0.9, 1.0]}},
        {"optim": {"betas": [0.9]}},
        {"checkpoint": {"keep": 0}},
        {"data": {"train": []}},
        {"data": {"train": ["a"], "eval": ["b"], "eval_fraction": 0.1}},
        {"data": {"train": ["a"], "eval_fraction": 1.0}},
        {"data": {"train": ["a"], "tokens": "some"}},
        {"data": {"train": ["a"], "retain": ["b"], "retain_weight": 0}, "lora": {}},
        {"loss": {"beta": [0.1]}},
        {"loss": {"be.ta": 0.1}},
        {"loss": {"mix": {}}},
        {"loss": {"mix": {"dpo": 1.0}}},
        {"loss": {"mix": ["dpo", "ipo"]}},
        {"loss": {"mix": {"dpo": 1.0, "ipo": 0.0}}},
        {"loss": {"mix": {"dpo": 1.0, "ipo": -1.0}}},
        {"loss": {"mix": {"dpo": 1.0, "ipo": True}}},
        {"loss": {"mix": {"dpo": 1.0, "ipo": "0.5"}}},
        {"loss": {"mix": {"dpo": 1.0, "ipo": float("inf")}}},
        {"loss": {"mix": {"dpo": 1.0, "ipo": float("nan")}}},
        {"loss": {"name": "dpo", "mix": {"dpo": 1.0, "ipo": 1.0}}},
        {"loss": {"name": {"dpo": 1.0, "ipo": 1.0}}},
        {"lora": {}, "top_layers": 2},
        {"lora": {"dropout": 1.0}},
        {"evaluate": {"patience": 3}},
        {"evaluate": {"every": 10}},
        {"policy": ""},
        {"dtype": "float16"},
        {"surprise": 1},
    ],
    ids=str,
)
def test_values_that_make_no_sense_are_refused(wrong: dict[str, Any]):
    with pytest.raises(ValidationError):
        Recipe.model_validate({**MINIMAL, **wrong})


def test_early_stopping_is_accepted_with_rows_to_evaluate_on():
    data = {"train": ["a"], "eval_fraction": 0.1}
    recipe = Recipe.model_validate({**MINIMAL, "data": data, "evaluate": {"every": 10, "patience": 3}})
    assert recipe.evaluate == EvaluateSection(every=10, patience=3)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({}, "set lora"),
        ({"top_layers": 1}, "set lora"),
    ],
)
def test_retained_rows_need_an_adapter_to_compare_with(changes: dict[str, Any], message: str):
    data = {"train": ["a"], "retain": ["b"]}
    with pytest.raises(ValidationError, match=message):
        Recipe.model_validate({**MINIMAL, "data": data, **changes})
    recipe = Recipe.model_validate({**MINIMAL, "data": data, "lora": {}})
    assert (recipe.data.retain, recipe.data.retain_weight) == (("b",), 1.0)


def test_a_recipe_survives_json():
    recipe = Recipe.model_validate({**MINIMAL, "lora": {"targets": ["a", "b"]}, "loss": {"beta": 0.1}})
    assert Recipe.model_validate_json(recipe.model_dump_json()) == recipe


def test_a_recipe_is_frozen():
    with pytest.raises(ValidationError, match="frozen"):
        Recipe.model_validate(MINIMAL).seed = 1


@each("model", sections())
def test_every_field_says_what_it_is(model: type[BaseModel]):
    for name, field in model.model_fields.items():
        assert field.description, name
        assert field.description.endswith((".", "…")), name


def test_the_schema_is_json_and_lists_every_key():
    schema = json.loads(json.dumps(json_schema()))
    assert list(schema["properties"]) == list(Recipe.model_fields)
    assert schema["required"] == ["method", "policy", "data"]
    assert schema["additionalProperties"] is False
    assert schema["$defs"]["Optim"]["properties"]["items_per_step"]["minimum"] == 1
