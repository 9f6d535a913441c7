"""A plan needs a model's config and its tokenizer; weights may be far away."""

import shutil
from pathlib import Path

import pytest

from truing.core.errors import ModelError
from truing.models.described import described


@pytest.fixture
def bare(model_folder: Path, tmp_path: Path) -> Path:
    """A folder with all files of a model but its weights."""
    folder = tmp_path / "bare"
    shutil.copytree(model_folder, folder, ignore=shutil.ignore_patterns("*.safetensors"))
    return folder


def test_a_folder_without_weights_describes_its_model(bare: Path):
    assert described(str(bare)) == bare


def test_a_folder_that_is_not_there(tmp_path: Path):
    with pytest.raises(ModelError, match="does not exist"):
        described(str(tmp_path / "none"))


def test_from_the_hub_no_weights_are_fetched(monkeypatch: pytest.MonkeyPatch, bare: Path):
    asked = []

    def download(name, *, allow_patterns, ignore_patterns):
        asked.extend(allow_patterns)
        return str(bare)

    monkeypatch.setattr("huggingface_hub.snapshot_download", download)
    assert described("some-org/some-model") == bare
    assert "*.json" in asked and "*.safetensors" not in asked
