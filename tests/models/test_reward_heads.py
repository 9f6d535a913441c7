"""Heads are found wherever other toolkits put them; pickles are opened on request only, and run nothing."""

import json
import pickle
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from truing.core.errors import ModelError
from truing.models.reward_folder import HeadOrigin, RewardModel, load_reward

HEAD = {"v_head.summary.weight": torch.linspace(-1, 1, 32)[None], "v_head.summary.bias": torch.tensor([0.25])}
BINS = ["value_head.bin", "pytorch_model.bin", "pytorch_model.bin.index.json"]


@pytest.fixture
def base(model_folder, tmp_path) -> Path:
    """The folder of a causal language model."""
    return shutil.copytree(model_folder, tmp_path / "base")


@pytest.fixture
def theirs(base) -> Path:
    """Such a folder with a head beside its weights."""
    save_file(HEAD, base / "value_head.safetensors")
    return base


def open_reward(folder: Path, **options) -> RewardModel:
    return load_reward(folder, torch.float32, torch.device("cpu"), require_head=True, **options)


def to_shards(folder: Path, pattern: str) -> None:
    """Spreads the weights of a folder over two files and an index."""
    tensors = load_file(folder / "model.safetensors")
    (folder / "model.safetensors").unlink()
    places = {name: pattern.format(at % 2 + 1) for at, name in enumerate(sorted(tensors))}
    for shard in set(places.values()):
        part = {name: tensors[name] for name in tensors if places[name] == shard}
        if shard.endswith(".bin"):
            torch.save(part, folder / shard)
        else:
            save_file(part, folder / shard, {"format": "pt"})
    whole = "pytorch_model.bin" if pattern.endswith(".bin") else "model.safetensors"
    (folder / f"{whole}.index.json").write_text(json.dumps({"metadata": {}, "weight_map": places}))


def to_bin(folder: Path, name: str) -> None:
    """Turns the file that stands for `name` into the pickle another toolkit would have written."""
    if name.endswith(".index.json"):
        to_shards(folder, "pytorch_model-{}-of-2.bin")
        return
    safe = folder / {"value_head.bin": "value_head.safetensors"}.get(name, "model.safetensors")
    torch.save(load_file(safe), folder / name)
    safe.unlink()


@pytest.mark.parametrize("name", BINS)
def test_a_pickle_is_refused_and_the_command_that_imports_it_named(theirs, name):
    to_bin(theirs, name)
    found = "pytorch_model-1-of-2.bin, pytorch_model-2-of-2.bin" if name.endswith("json") else name
    with pytest.raises(ModelError) as error:
        open_reward(theirs)
    assert f"{theirs} keeps its head or its weights in pickles ({found})" in str(error.value)
    assert error.value.hint == f"truing export {theirs} NEW --head-layout transformers"


@pytest.mark.parametrize("names", [BINS[:1], BINS[1:2], BINS[2:], BINS[:2]], ids="+".join)
@torch.no_grad()
def test_what_is_imported_is_what_safetensors_would_have_given(theirs, names):
    wanted = open_reward(theirs)
    for name in names:
        to_bin(theirs, name)
    opened = open_reward(theirs, import_bin=True)
    assert (opened.head, opened.bias) == (HeadOrigin.VALUE_HEAD, 0.25)
    assert torch.equal(opened.model.score.weight, HEAD["v_head.summary.weight"])
    tokens = torch.arange(3, 40)[None]
    assert torch.equal(opened.model(tokens).logits, wanted.model(tokens).logits)
    assert opened.model.state_dict().keys() == wanted.model.state_dict().keys()


@pytest.mark.parametrize("pattern", ["model-{}-of-2.safetensors", "pytorch_model-{}-of-2.bin"])
def test_heads_in_shards_and_old_files_are_found(base, pattern):
    weights = base / "model.safetensors"
    save_file(load_file(weights) | HEAD, weights, metadata={"format": "pt"})
    to_shards(base, pattern)
    assert open_reward(base, import_bin=pattern.endswith(".bin")).head is HeadOrigin.VALUE_HEAD


class Bomb:
    """Unpickled, it would create the file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


def test_a_pickle_beside_safetensors_stays_closed(theirs, tmp_path):
    for name in BINS[:2]:
        torch.save(Bomb(tmp_path / "ran"), theirs / name)
    for import_bin in (False, True):
        opened = open_reward(theirs, import_bin=import_bin)
        assert torch.equal(opened.model.score.weight, HEAD["v_head.summary.weight"])
    assert not (tmp_path / "ran").exists()


def test_a_config_cannot_name_a_pickle(theirs, tmp_path):
    """transformers reads `transformers_weights` first, and lets it be this one .bin file."""
    torch.save(Bomb(tmp_path / "ran"), theirs / "adapter_model.bin")
    config = json.loads((theirs / "config.json").read_text())
    named = {"transformers_weights": "adapter_model.bin"}
    (theirs / "config.json").write_text(json.dumps(config | named))
    for import_bin in (False, True):
        with pytest.raises(ModelError, match="names weights of its own: transformers_weights adapter_model"):
            open_reward(theirs, import_bin=import_bin)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("name", BINS[:2])
@pytest.mark.parametrize("kind", ["bomb", "plain pickle", "noise", "empty", "damaged", "list", "number"])
def test_a_file_that_is_not_tensors_is_refused_and_runs_nothing(base, tmp_path, name, kind):
    file, mark = base / name, tmp_path / "ran"
    held = {"bomb": Bomb(mark), "list": [[1.0]], "number": {"v_head.weight": 1.0}}
    torch.save(held.get(kind, HEAD), file)
    plain = {"plain pickle": pickle.dumps(Bomb(mark)), "noise": b"not a file of tensors", "empty": b""}
    # A name that is not UTF-8: torch says so with a UnicodeDecodeError.
    file.write_bytes(plain.get(kind, file.read_bytes().replace(b"v_head.summary", b"\xff_head.summary")))
    if name == "pytorch_model.bin":
        (base / "model.safetensors").unlink()
    with pytest.raises(ModelError, match=f"{file} is not a file of tensors: ."):
        open_reward(base, import_bin=True)
    with pytest.raises(ModelError, match="in pickles"):
        open_reward(base)
    assert not mark.exists()


def test_noise_in_the_name_of_safetensors_is_refused(base):
    file = base / "value_head.safetensors"
    file.write_bytes(b"not a file of tensors")
    with pytest.raises(ModelError, match=f"{file} is not a file of tensors"):
        open_reward(base)


@pytest.mark.parametrize("name", ["value_head.safetensors", "value_head.bin"])
def test_a_value_head_file_without_a_head_is_named(base, name):
    something = {"something": torch.ones(1, 32)}
    torch.save(something, base / name) if name.endswith("bin") else save_file(something, base / name)
    with pytest.raises(ModelError, match=f"{name} holds none of score.weight"):
        open_reward(base, import_bin=True)
