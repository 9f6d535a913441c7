"""A fault in a name is told before torch, transformers and peft are imported."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from huggingface_hub import constants

from truing.config.recipe import Recipe
from truing.core.errors import ConfigError, DataError, ModelError
from truing.runs.preflight import require_possible

# Every verb in one process: after each, which of the heavy packages it has imported.
PROGRAM = """
import json, sys
from truing.cli.main import main
for arguments in json.loads(sys.argv[1]):
    sys.argv = ["truing", *arguments]
    try:
        main()
    except SystemExit as end:
        heavy = [name for name in ("torch", "transformers", "peft") if name in sys.modules]
        print(json.dumps([end.code, heavy]))
"""


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    path = tmp_path / "rows.jsonl"
    path.write_text(json.dumps({"prompt": "a", "chosen": "yes", "rejected": "no"}) + "\n")
    return path


@pytest.fixture
def content(rows: Path, model_folder: Path) -> dict:
    return {"method": "dpo", "policy": str(model_folder), "data": {"train": [str(rows)]}}


MISTAKES = {  # a change of a sound recipe, the error, and what its message says
    "method": ({"method": "dop"}, ConfigError, "no method 'dop'"),
    "peer's method": ({"method": "rm"}, ConfigError, "it is method: reward here"),
    "loss": ({"loss": {"name": "ipp"}}, ConfigError, "no loss 'ipp'"),
    "part of a mix": ({"loss": {"mix": {"dpo": 1, "sigmoid": 1}}}, ConfigError, "it is loss.name: dpo here"),
    "health rule": ({"health": {"off": ["margn"]}}, ConfigError, "no health rule 'margn'"),
    "key of other methods": ({"online": {"group_size": 4}}, ConfigError, "^online is not read by dpo$"),
    "reward": ({"method": "grpo", "rewards": [{"name": "numerci"}]}, ConfigError, "no reward 'numerci'"),
    "policy": ({"policy": "./nowhere"}, ModelError, "the folder ./nowhere does not exist"),
    "reference": ({"reference": "./nowhere"}, ModelError, "the folder ./nowhere does not exist"),
    "wheel": ({"policy": "wheel:llm-smol"}, ModelError, "is not a wheel whose content is known"),
    "adapter that vLLM does not load": (
        {
            "method": "grpo",
            "lora": {"dora": True},
            "rewards": [{"name": "numeric"}],
            "sampling": {"servers": ["http://x"]},
        },
        ConfigError,
        "vLLM loads no DoRA adapter",
    ),
    "list of servers": (
        {
            "method": "grpo",
            "rewards": [{"name": "numeric"}],
            "sampling": {"servers_file": "nowhere.txt"},
        },
        ConfigError,
        "nowhere.txt cannot be read: No such file",
    ),
    "file": ({"data": {"train": ["nowhere.jsonl"]}}, DataError, "nowhere.jsonl does not exist"),
    "pattern": ({"data": {"train": ["nowhere/*.jsonl"]}}, DataError, "no file matches nowhere"),
}


@pytest.mark.parametrize(("change", "kind", "told"), MISTAKES.values(), ids=MISTAKES)
def test_a_wrong_name_is_found(content: dict, change: dict, kind: type[Exception], told: str):
    with pytest.raises(kind, match=told):
        require_possible(Recipe.model_validate(content | change))


@pytest.mark.parametrize("key", ["policy", "reference"])
def test_a_reward_model_is_no_policy_but_a_start_for_another(content: dict, key: str, reward_folder: Path):
    asked = content | {key: str(reward_folder)}
    with pytest.raises(ModelError, match="holds a reward model, which gives scores and no responses"):
        require_possible(Recipe.model_validate(asked))
    if key == "policy":  # a reward method compares with no reference
        require_possible(Recipe.model_validate(asked | {"method": "reward"}))


def test_a_sound_recipe_passes_and_so_does_what_comes_later(content: dict):
    require_possible(Recipe.model_validate(content))
    require_possible(Recipe.model_validate(content | {"policy": "stage:sft"}))


def test_a_name_on_the_hub_passes_unless_it_cannot_be_had(
    content: dict, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    asked = Recipe.model_validate(content | {"policy": "org/on-the-hub"})
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    require_possible(asked)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(ModelError, match=r"org/on-the-hub is not a folder, not in the hub cache"):
        require_possible(asked)
    (tmp_path / "hub" / "models--org--on-the-hub").mkdir(parents=True)
    require_possible(asked)


def test_no_verb_imports_torch_to_tell_a_wrong_name(content: dict, rows: Path, tmp_path: Path):
    recipe, stages = tmp_path / "recipe.json", tmp_path / "stages.json"
    recipe.write_text(json.dumps(content | {"output": str(tmp_path / "run")}))
    stages.write_text(json.dumps({"output": str(tmp_path), "stages": {"one": content | {"method": "dop"}}}))
    nowhere = str(tmp_path / "nowhere")
    commands = [
        ["train", str(recipe), "--set", "method=dop"],
        ["train", str(recipe), "--set", "loss.name=sigmoid"],
        ["check", str(recipe), "--set", f"policy={nowhere}"],
        ["check", str(recipe), "--set", f"data.train={nowhere}.jsonl"],
        ["run", str(stages)],
        ["eval", str(content["policy"]), "--task", "harmlesness"],
        ["eval", nowhere],
        ["score", str(rows), "--model", nowhere],
        ["score", f"{nowhere}.jsonl", "--model", content["policy"]],
        ["sample", nowhere, "--prompt", "Hello"],
        ["chat", nowhere],
        ["export", nowhere, str(tmp_path / "out")],
        ["report", nowhere],
        ["data", "show", f"{nowhere}.jsonl"],
        ["data", "show", str(rows), "--tokens", "--model", nowhere],
    ]
    asked = [sys.executable, "-c", PROGRAM, json.dumps(commands)]
    done = subprocess.run(asked, capture_output=True, text=True, check=False)
    ends = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("[")]
    assert len(ends) == len(commands), done.stderr
    wrong = [
        (command, end) for command, end in zip(commands, ends, strict=True) if end[0] not in (2, 3) or end[1]
    ]
    assert not wrong, done.stderr
