"""Policies on servers: what is opened here, and the name of an adapter there."""

import json
import shutil
from pathlib import Path

import pytest
import torch

from truing.config.recipe import Lora
from truing.core.errors import ModelError
from truing.models.load import add_adapter, load_model, load_tokenizer
from truing.sampling.served import Servers, served
from truing.sampling.types import Sampling

from .model_server import ModelServer

SAMPLING = Sampling(max_new_tokens=8, logprobs=False)


@pytest.fixture(scope="module")
def adapters(model_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Two folders of one name with unlike adapters, of which the first answers as the base does."""
    folders = []
    for scale in (0.0, 3.0):
        base = load_model(model_folder, torch.float32, torch.device("cpu"))
        adapted = add_adapter(base, Lora(r=4), dropout=False, seed=0, trained=torch.float32)
        with torch.no_grad():
            for name, parameter in adapted.named_parameters():
                if "lora_B" in name:
                    parameter.normal_(std=scale)
        folders.append(tmp_path_factory.mktemp("run") / "model")
        adapted.save_pretrained(folders[-1])
        load_tokenizer(model_folder).save_pretrained(folders[-1])
    return folders


def test_adapters_of_one_folder_name_are_not_mistaken_for_each_other(
    adapters: list[Path], model_folder: Path
) -> None:
    """vLLM keeps the adapter that has a name: the second of two runs must not be answered by the first's."""
    said: list[str] = []
    with ModelServer(model_folder) as server:
        sources = [model_folder, *adapters]
        told = [
            [
                one.text
                for one in served(str(source), Servers((server.url,)), said.append).answer(
                    ["Why?", "Who?"], SAMPLING
                )
            ]
            for source in sources
        ]
    assert told[0] == told[1] != told[2]
    assert said == [f"the servers draw with their own weights, which must be those of {model_folder}"]


def test_a_step_of_a_run_and_an_adapter_on_an_adapter_are_refused(
    here, recipe, adapters: list[Path], tmp_path: Path
) -> None:
    assert here("train", recipe()).returncode == 0
    servers = Servers(("http://127.0.0.1:9",))
    with pytest.raises(ModelError, match="is a step of a run") as caught:
        served(f"{tmp_path / 'run'}@8", servers, print)
    assert "truing export" in caught.value.hint
    second = tmp_path / "second"
    shutil.copytree(adapters[1], second)
    config = second / "adapter_config.json"
    told = json.loads(config.read_text()) | {"base_model_name_or_path": str(adapters[1])}
    config.write_text(json.dumps(told))
    with pytest.raises(ModelError, match="an adapter on an adapter"):
        served(str(second), servers, print)
