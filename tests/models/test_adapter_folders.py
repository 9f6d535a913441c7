"""Folders of strangers are refused in one sentence, or opened whole: nothing else escapes."""

import json
import time
from pathlib import Path

import pytest
import torch
from peft import LoraConfig, get_peft_model
from transformers import AutoModelForCausalLM

from truing.core.errors import ModelError, TruingError
from truing.data.chat import make_renderer
from truing.models.adapter_folders import check_adapter_folder, refuse_circle
from truing.models.export import export_folder
from truing.models.load import load_tokenizer
from truing.models.trained import load_trained

from .strangers import broken_adapters, broken_models, broken_templates, copy_of, edit


@pytest.fixture(scope="module")
def adapter(model_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An adapter that changes what its base answers."""
    torch.manual_seed(0)
    base = AutoModelForCausalLM.from_pretrained(model_folder)
    model = get_peft_model(base, LoraConfig(r=2, target_modules="all-linear", init_lora_weights=False))
    target = tmp_path_factory.mktemp("adapters") / "good"
    return export_folder(model, load_tokenizer(model_folder), target, merge=False)


def outcome(folder: Path) -> str:
    """Open a folder, and say what came of it."""
    try:
        load_trained(str(folder), device="cpu", dtype="float32")
    except TruingError as error:
        return f"refused: {error}"
    except Exception as error:
        return f"broken: {error!r}"
    return "opened"


def test_every_broken_model_is_refused_in_a_sentence(model_folder: Path, tmp_path: Path) -> None:
    changes = broken_models()
    found = {name: outcome(copy_of(model_folder, tmp_path / "copy", do)) for name, do in changes.items()}
    assert len(found) >= 90
    assert {name: what for name, what in found.items() if not what.startswith("refused: ")} == {}


def test_every_broken_adapter_is_refused_in_a_sentence(adapter: Path, tmp_path: Path) -> None:
    assert outcome(adapter) == "opened"
    began = time.monotonic()
    changes = broken_adapters()
    found = {name: outcome(copy_of(adapter, tmp_path / "copy", do)) for name, do in changes.items()}
    assert len(found) >= 30
    assert {name: what for name, what in found.items() if not what.startswith("refused: ")} == {}
    assert time.monotonic() - began < 60


def test_every_broken_template_is_refused_in_a_sentence(model_folder: Path, tmp_path: Path) -> None:
    """A template is read with its folder and tried where rows are to be written."""
    found = {}
    for name, change in broken_templates().items():
        began = time.monotonic()
        try:
            opened = load_trained(
                str(copy_of(model_folder, tmp_path / "copy", change)), device="cpu", dtype="float32"
            )
            make_renderer(opened.tokenizer, "chat")
            found[name] = "opened"
        except TruingError as error:
            assert str(error)
        except Exception as error:
            found[name] = f"broken: {error!r}"
        assert time.monotonic() - began < 60
    assert found == {}


def test_a_type_that_opens_other_files_is_named_with_those_that_are_read(
    adapter: Path, tmp_path: Path
) -> None:
    folder = copy_of(adapter, tmp_path / "x", lambda one: None)
    edit(folder, name="adapter_config.json", key="peft_type", value="XLORA")
    with pytest.raises(ModelError, match="is an adapter of type XLORA") as refused:
        check_adapter_folder(folder)
    assert "LORA" in refused.value.hint


def test_adapters_that_lead_round_to_the_first_are_refused(adapter: Path, tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    for folder, base in ((first, second), (second, first)):
        copy_of(adapter, folder, lambda one: None)
        edit(folder, name="adapter_config.json", key="base_model_name_or_path", value=str(base))
    with pytest.raises(ModelError, match="leads back to itself"):
        refuse_circle(first, str(second))
    refuse_circle(
        adapter, json.loads((adapter / "adapter_config.json").read_text())["base_model_name_or_path"]
    )


def test_patterns_become_names_in_bounded_time(adapter: Path, tmp_path: Path) -> None:
    """`re` takes years for the second one, which matches nothing."""
    found = {}
    for name, pattern in (("good", r".*\.(q|v)_proj"), ("slow", "(([a-z._0-9])+)+!")):
        folder = copy_of(adapter, tmp_path / name, lambda one: None)
        edit(folder, name="adapter_config.json", key="target_modules", value=pattern)
        began = time.monotonic()
        found[name] = outcome(folder)
        assert time.monotonic() - began < 20
    folder = copy_of(adapter, tmp_path / "ranks", lambda one: None)
    edit(folder, name="adapter_config.json", key="rank_pattern", value={"(([a-z._0-9])+)+!": 1})
    assert outcome(folder) == "opened"
    assert "no place for" in found["good"] or "unexpected" in found["good"]  # the file has more modules
    assert found["slow"].startswith("refused")
