"""Prompts in memory lie in the folder, so that the same call goes on from there."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from transformers import AutoModelForCausalLM, AutoTokenizer

import truing
from truing.api.opening import named
from truing.api.training import Run
from truing.api.work import GivenModels, role_named, work_recipe
from truing.config.feedback import FeedbackRecipe
from truing.config.run_folder import RunFolder, RunState
from truing.core.errors import ConfigError

KEYS = {"policies": ["m"], "judge": "j"}


def test_texts_and_rows_are_written(tmp_path: Path):
    keys = KEYS | {"output": str(tmp_path)}
    with work_recipe(FeedbackRecipe, "feedback", None, ["a?", {"prompt": "b?"}], keys) as found:
        (path,) = found.prompts
    assert [json.loads(line)["prompt"] for line in Path(path).read_text().splitlines()] == ["a?", "b?"]
    with (
        pytest.raises(ConfigError, match="other rows"),
        work_recipe(FeedbackRecipe, "feedback", None, ["c?"], keys),
    ):
        pass


def test_files_and_a_recipe_below_the_keys(tmp_path: Path):
    recipe = {"k": 2, "judge": {"name": "x"}}
    with work_recipe(FeedbackRecipe, "feedback", recipe, "p.jsonl", KEYS) as found:
        assert found.prompts == ("p.jsonl",)
        assert (found.k, found.judge, found.output) == (2, "j", "feedback")


@pytest.mark.parametrize(
    "call",
    [
        lambda: truing.feedback(["a?"], "gone", judge="gone"),
        lambda: truing.constitution(["a?"], "gone", reviser="rule", critic="rule"),
        lambda: truing.judge([{"prompt": "a?", "chosen": "b", "rejected": "c"}], "gone"),
        lambda: truing.red_team("gone", rows=[{"prompt": "a?", "category": "privacy_violations"}]),
        lambda: truing.refusals([{"prompt": "a?", "category": "privacy_violations"}], "gone"),
        lambda: truing.negatives([{"prompt": "a?", "completion": "In 2019."}], writer="gone"),
        lambda: truing.train(method="sft", policy="gone", data=[{"prompt": "a?", "completion": "b"}]),
        lambda: truing.evaluate("gone"),
        lambda: truing.harden("gone"),
    ],
    ids=["feedback", "constitution", "judge", "red_team", "refusals", "negatives", "train", "eval", "harden"],
)
def test_a_call_with_a_mistyped_model_leaves_nothing(
    call: Callable[[], object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(truing.TruingError, match="gone"):
        call()
    assert list(tmp_path.rglob("*")) == []


def test_two_models_in_memory_have_two_names(model_folder: Path, tmp_path: Path):
    one, other = (AutoModelForCausalLM.from_pretrained(model_folder) for _ in range(2))
    models = GivenModels(AutoTokenizer.from_pretrained(model_folder))
    assert models.named(one) == named(one)
    assert models.named(one) == named(one)
    with pytest.raises(ConfigError, match="both called"):
        models.named(other)
    with pytest.raises(ConfigError, match="both called"):
        models.named(str(model_folder))
    other.config.name_or_path = "other"
    assert models.named(other) == "other"
    with RunFolder.open(tmp_path) as folder:
        folder.write_status(RunState.DONE, step=1)
    assert models.named(Run(tmp_path)) == str(tmp_path), "a run is on the disk"
    assert {name: trained.model for name, trained in models.live.items()} == {named(one): one, "other": other}


def test_a_loaded_model_is_no_judge(model_folder: Path):
    assert role_named(model_folder, "judge") == str(model_folder)
    assert role_named({"model": "q"}, "judge") == {"model": "q"}
    with pytest.raises(ConfigError, match="judge is a LlamaForCausalLM"):
        role_named(AutoModelForCausalLM.from_pretrained(model_folder), "judge")
