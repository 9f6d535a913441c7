"""`truing.train` and `truing.check` from Python: rows, models and functions in memory."""

import json
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from datasets import Dataset, DatasetDict
from transformers import AutoModelForCausalLM, AutoTokenizer

import truing
from truing.api import training
from truing.config.config import load_recipe

ROWS = [{"prompt": f"say {n}", "chosen": f"yes {n}", "rejected": "no"} for n in range(6)]
SMALL = {
    "lora": {"r": 2},
    "optim": {"learning_rate": 1e-3, "items_per_step": 3},
    "dtype": "float32",
    "progress": False,
}


def one_step(policy: object, data: object, **changes: object) -> truing.Run:
    keys: dict[str, Any] = {**SMALL, "optim": {**SMALL["optim"], "max_steps": 1}, **changes}
    return truing.train(method="dpo", policy=policy, data=data, **keys)


def test_rows_in_memory_are_trained_on(model_folder: Path):
    run = truing.train(method="dpo", policy=model_folder, data=ROWS, **SMALL)
    assert [row["step"] for row in run.metrics] == [1, 2]
    assert run.metrics[0]["loss"] == pytest.approx(0.693147, abs=1e-5)
    assert run.status.state == "done" and run.findings == []
    assert run.path.parts[0] == "runs" and run.path.name.startswith("dpo-")
    assert (run.path / "given/train.jsonl").read_text().count("\n") == 6
    ids = run.tokenizer("say 1", return_tensors="pt").input_ids
    assert run.model.generate(ids, max_new_tokens=3, do_sample=False).shape[1] > ids.shape[1]
    assert str(run.path) in run._repr_html_()


def test_labels_of_one_half_teach_nothing_and_sure_ones_do(model_folder: Path):
    """At its reference the policy has x = 0, where a label of one half has no slope: nothing ever moves."""
    runs = [
        truing.train(
            method="dpo",
            policy=model_folder,
            data=[{**row, "chosen_probability": p} for row in ROWS],
            **{**SMALL, "optim": {**SMALL["optim"], "epochs": 2}},
        )
        for p in (0.5, 0.9)
    ]
    even, sure = ([row["loss"] for row in run.metrics] for run in runs)
    assert even == pytest.approx([0.693147] * 4, abs=1e-5)
    assert sure[-1] < sure[0] - 1e-4
    assert "rewards/margins" in runs[1].metrics[-1] and runs[1].findings == []
    assert truing.report(runs[1].path).is_file()


def test_the_same_call_finds_its_run_and_another_one_does_not(model_folder: Path):
    first, again = (one_step(model_folder, ROWS) for _ in range(2))
    assert first == again
    assert one_step(model_folder, ROWS[:3]) != first
    assert one_step(model_folder, ROWS, seed=1) != first


def test_a_function_with_other_code_is_another_call(model_folder: Path):
    """A cell with a changed function trains anew; the same code finds its run."""

    def loss_of(power: int) -> Any:
        if power == 1:
            return lambda policy: -policy.gap
        return lambda policy: -policy.gap * policy.gap.abs()

    first, again = (one_step(model_folder, ROWS, loss=loss_of(1)) for _ in range(2))
    assert first == again
    assert one_step(model_folder, ROWS, loss=loss_of(2)) != first


def test_a_run_that_was_cut_off_goes_on_to_the_same_weights(model_folder: Path, tmp_path: Path):
    whole = truing.train(method="dpo", policy=model_folder, data=ROWS, output="whole", **SMALL)
    keys: dict[str, Any] = {**SMALL, "checkpoint": {"every": 1}, "output": "cut"}

    class CutError(Exception):
        pass

    def cut(step: int, logs: Mapping[str, float]) -> None:
        raise CutError

    with pytest.raises(CutError):
        truing.train(method="dpo", policy=model_folder, data=ROWS, **{**keys, "progress": cut})
    run = truing.train(method="dpo", policy=model_folder, data=ROWS, **keys)
    assert [row["step"] for row in run.metrics] == [1, 2]
    ours, theirs = run.model.state_dict(), whole.model.state_dict()
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)


def test_other_rows_in_the_same_folder_are_refused(model_folder: Path):
    one_step(model_folder, ROWS, output="mine")
    with pytest.raises(truing.TruingError, match="holds other rows than those of this call") as caught:
        one_step(model_folder, ROWS[:4], output="mine")
    assert caught.value.code == "config" and "choose another output" in caught.value.hint
    assert (Path("mine/given/train.jsonl")).read_text().count("\n") == 6


def test_a_loaded_model_is_copied_and_stays_as_it_was(model_folder: Path):
    model = AutoModelForCausalLM.from_pretrained(model_folder)
    tokenizer = AutoTokenizer.from_pretrained(model_folder)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    run = one_step(model, ROWS, tokenizer=tokenizer, output="mine")
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())
    assert one_step(model, ROWS, tokenizer=tokenizer, output="mine").path == run.path
    with torch.no_grad():
        next(iter(model.parameters())).add_(1.0)
    with pytest.raises(truing.TruingError, match="holds other model than those of this call"):
        one_step(model, ROWS, tokenizer=tokenizer, output="mine")
    with pytest.raises(truing.TruingError, match="without its tokenizer"):
        one_step(model, ROWS)


def test_a_run_is_the_policy_of_the_next(model_folder: Path):
    first = truing.train(
        method="sft", policy=model_folder, data=[{"prompt": "a", "completion": "b"}] * 3, **SMALL
    )
    second = one_step(first, ROWS)
    config = json.loads((second.path / "config.json").read_text())
    assert config["recipe"]["policy"] == str(first.path)


@pytest.mark.parametrize("kind", ["dataset", "splits", "generator", "files"])
def test_rows_of_every_kind(kind: str, model_folder: Path, tmp_path: Path):
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    data: Any = {
        "dataset": Dataset.from_list(ROWS),
        "splits": DatasetDict(train=Dataset.from_list(ROWS), test=Dataset.from_list(ROWS[:2])),
        "generator": (row for row in ROWS),
        "files": [path],
    }[kind]
    run = one_step(model_folder, data)
    rows = json.loads((run.path / "rows.json").read_text())
    assert rows["kept"] == 6
    assert ("eval/loss" in run.metrics[-1]) is (kind == "splits")


def test_a_recipe_of_any_kind_and_keys_over_it(model_folder: Path, tmp_path: Path):
    path = tmp_path / "recipe.json"
    content = {"method": "dpo", "policy": str(model_folder), "lora": {"r": 2}, "dtype": "float32"}
    path.write_text(json.dumps(content | {"data": {"train": ["gone.jsonl"]}}))
    keys: dict[str, Any] = {"data": ROWS, "optim": {"max_steps": 1}, "progress": False}
    runs = [truing.train(one, **keys) for one in (path, content, load_recipe(path).recipe)]
    losses = [run.metrics[0]["loss"] for run in runs]
    assert losses == [losses[0]] * 3
    merged = json.loads((truing.train(path, lora={"alpha": 8}, **keys).path / "config.json").read_text())
    assert merged["recipe"]["lora"]["r"] == 2 and merged["recipe"]["lora"]["alpha"] == 8


def margin_loss(policy: Any, *, beta: float = 0.5) -> torch.Tensor:
    """A loss of a reader's own."""
    return torch.nn.functional.softplus(-beta * (policy.chosen - policy.rejected))


def test_functions_serve_where_a_recipe_takes_a_name(model_folder: Path):
    seen: list[int] = []
    run = one_step(model_folder, ROWS, loss=margin_loss, progress=lambda step, logs: seen.append(step))
    assert seen == [1]
    assert json.loads((run.path / "config.json").read_text())["recipe"]["loss"]["name"].endswith(
        "test_training:margin_loss"
    )
    one = truing.train(
        method="grpo",
        policy=model_folder,
        data=[{"prompt": "say it"}] * 2,
        rewards=[lambda responses, **_: [float(len(text)) for text in responses]],
        online={"group_size": 2},
        sampling={"max_new_tokens": 4},
        **{**SMALL, "optim": {"items_per_step": 2, "max_steps": 1}},
    )
    assert one.metrics[0]["reward"] > 0
    recipe = json.loads((one.path / "config.json").read_text())["recipe"]
    assert recipe["rewards"][0]["name"] == "given:function"
    assert len(recipe["resolved"]["reward_files"]["given:function"]) == 64


def test_a_function_given_to_another_process_is_asked_for_again(model_folder: Path):
    rewards = [{"name": "given:tone_of_another"}]
    told = "given:tone_of_another is a function that was passed in Python, and not to this process"
    with pytest.raises(truing.TruingError, match=told):
        truing.train(method="grpo", policy=model_folder, data=[{"prompt": "say it"}], rewards=rewards)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (
            {"learning_rate": 1e-4},
            "truing.train: unknown key 'learning_rate'; did you mean 'optim.learning_rate'?",
        ),
        ({"method": "dop"}, "dop"),
        ({"lora": {"r": "many"}}, "truing.train: lora.r is 'many': expected a whole number"),
        ({"data": 3}, "data.train is a int: expected files or rows"),
        ({"data": [{"prompt": "a"}, "b"]}, "data.train, row 2: a str, expected a dict"),
        ({"data": [{"prompt": object()}]}, "row 1 cannot be written as JSON: a object is neither"),
        ({"data": []}, "data.train holds no rows"),
        ({"data": "gone.jsonl"}, "gone.jsonl"),
        ({"policy": "gone"}, "gone"),
        ({"progress": "loud"}, "progress is 'loud': expected 'auto', True, False or a function"),
        ({"seed": object()}, "truing.train: a object is no value of a recipe"),
    ],
)
def test_mistakes_say_what_was_given_and_what_to_do(changes: dict[str, Any], said: str, model_folder: Path):
    keys: dict[str, Any] = {"method": "dpo", "policy": model_folder, "data": ROWS, **SMALL, **changes}
    with pytest.raises(truing.TruingError) as caught:
        truing.train(**keys)
    assert said in str(caught.value)


def test_sigterm_before_the_first_step_is_an_error_with_a_status(
    model_folder: Path, monkeypatch: pytest.MonkeyPatch
):
    def terminated(*_: object, **__: object) -> None:
        signal.raise_signal(signal.SIGTERM)

    monkeypatch.setattr("truing.runs.train.open_run", terminated)
    with pytest.raises(truing.TruingError, match="stopped by SIGTERM before the first step") as caught:
        truing.train(method="dpo", policy=model_folder, data=ROWS, **SMALL, output="early")
    assert caught.value.exit_code == 143
    assert truing.Run(Path("early")).status.state == "stopped"
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


def test_an_interrupted_cell_returns_the_run_with_a_checkpoint(
    model_folder: Path, monkeypatch: pytest.MonkeyPatch
):
    def interrupt(step: int, logs: Mapping[str, float]) -> None:
        signal.raise_signal(signal.SIGINT)

    keys: dict[str, Any] = {**SMALL, "output": "cell", "progress": interrupt}
    with pytest.raises(truing.TruingError, match="stopped by SIGINT after step 1"):
        truing.train(method="dpo", policy=model_folder, data=ROWS, **keys)
    keys["output"] = "notebook"
    monkeypatch.setattr(training, "in_notebook", lambda: True)
    run = truing.train(method="dpo", policy=model_folder, data=ROWS, **keys)
    assert run.status.state == "stopped" and run.status.step == 1
    assert run.status.last_checkpoint is not None
    with pytest.raises(truing.TruingError, match="has no result yet"):
        _ = run.model
    done = truing.train(method="dpo", policy=model_folder, data=ROWS, **{**keys, "progress": False})
    assert done.status.state == "done"


def test_check_twice(model_folder: Path):
    keys: dict[str, Any] = {key: value for key, value in SMALL.items() if key != "progress"}
    found = [truing.check(method="dpo", policy=model_folder, data=ROWS, **keys) for _ in range(2)]
    assert found[0].as_json()["loss"] == found[1].as_json()["loss"] == pytest.approx(0.693147, abs=1e-5)
    assert not Path("runs").exists()


def test_a_run_is_opened_by_its_folder(model_folder: Path):
    run = one_step(model_folder, ROWS, output="mine")
    assert truing.Run(Path("mine")).metrics == run.metrics
    with pytest.raises(truing.TruingError, match="elsewhere is no run folder"):
        truing.Run(Path("elsewhere"))


def test_importing_truing_is_quick_and_brings_no_torch(truing_process: Callable[..., str]):
    code = "import sys, truing; print('torch' in sys.modules, sorted(truing.__all__) == truing.__all__)"
    assert truing_process(code) == "False True"


@pytest.fixture
def truing_process() -> Callable[..., str]:
    def run(code: str) -> str:
        return subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True
        ).stdout.strip()

    return run


@pytest.mark.parametrize(("text", "said"), [("", "is empty"), ("- a\n", "a recipe is a mapping of keys")])
def test_a_file_that_is_no_recipe_is_refused(text: str, said: str, model_folder: Path, tmp_path: Path):
    """Whatever keys are laid over it."""
    path = tmp_path / "recipe.yaml"
    path.write_text(text)
    with pytest.raises(truing.TruingError, match=said):
        truing.train(path, method="dpo", policy=model_folder, data=ROWS)
