"""Folders are checked before transformers opens them; test_sources.py has those of hubs and wheels."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from truing.core.errors import ModelError
from truing.models.folders import check_model_folder, holds_reward, refuse_reward, tensor_types, weight_files


@pytest.fixture
def folder(model_folder: Path, tmp_path: Path) -> Path:
    return shutil.copytree(model_folder, tmp_path / "model")


def changed(path: Path, **keys: object) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | keys))


def refused(folder: Path, **options: bool) -> str:
    with pytest.raises(ModelError) as caught:
        check_model_folder(folder, **options)
    return str(caught.value)


def test_a_folder_that_transformers_wrote_passes(folder: Path):
    check_model_folder(folder)


def test_code_of_a_folder_is_never_run(folder: Path):
    changed(folder / "config.json", auto_map={"AutoModel": "evil.Model"})
    assert "code" in refused(folder)


def test_a_link_that_leads_out_is_refused(folder: Path, tmp_path: Path):
    (tmp_path / "secret").write_text("x")
    (folder / "extra.json").symlink_to(tmp_path / "secret")
    assert "extra.json" in refused(folder)


def test_quantised_weights_are_refused(folder: Path):
    changed(folder / "config.json", quantization_config={"quant_method": "gptq", "bits": 4})
    assert "4" in refused(folder)


def test_without_weights_or_with_pickles_alone_it_is_told(folder: Path):
    (folder / "model.safetensors").unlink()
    assert "safetensors" in refused(folder)
    torch.save({}, folder / "pytorch_model.bin")
    assert "pytorch_model.bin" in refused(folder)
    check_model_folder(folder, bins=True)
    (folder / "config.json").unlink()
    assert "has no config.json" in refused(folder)


def test_an_index_names_files_that_are_there(folder: Path):
    (folder / "model.safetensors").rename(folder / "model-1.safetensors")
    index = folder / "model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": {"a": "model-1.safetensors"}}))
    assert weight_files(folder, bins=False) == [folder / "model-1.safetensors"]
    index.write_text(json.dumps({"weight_map": {"a": "model-2.safetensors"}}))
    assert "model-2.safetensors" in refused(folder)


def test_types_are_read_from_the_header(tmp_path: Path):
    path = tmp_path / "x.safetensors"
    save_file({"a": torch.zeros(2), "b": torch.zeros(2, dtype=torch.bfloat16)}, path)
    assert dict(tensor_types(path)) == {"a": "F32", "b": "BF16"}
    path.write_bytes(path.read_bytes()[:20])
    with pytest.raises(ModelError, match=r"x\.safetensors"):
        tensor_types(path)


def test_a_reward_model_is_no_policy(folder: Path, reward_folder: Path):
    assert holds_reward(reward_folder) and not holds_reward(folder)
    refuse_reward(folder)
    with pytest.raises(ModelError, match="holds a reward model, which gives scores and no responses"):
        refuse_reward(reward_folder)
