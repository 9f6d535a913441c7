"""Folders with a manifest are refused where they are not what it says."""

import json
from pathlib import Path

import pytest

from truing.core.errors import StorageError
from truing.core.files import written_aside
from truing.models.sealed import damage_of, require_whole


@pytest.fixture
def sealed(tmp_path: Path) -> Path:
    with written_aside(tmp_path / "model", maker="a test") as folder:
        (folder / "model.safetensors").write_bytes(b"weights")
        (folder / "README.md").write_text("a card")
    return tmp_path / "model"


def flip(path: Path) -> None:
    content = path.read_bytes()
    path.write_bytes(bytes([content[0] ^ 1]) + content[1:])


def test_a_flipped_bit_is_found_also_after_the_folder_was_found_sound(sealed):
    require_whole(sealed, "")
    flip(sealed / "model.safetensors")
    with pytest.raises(
        StorageError, match=r"model\.safetensors has another content than was written"
    ) as caught:
        require_whole(sealed, "write it again")
    assert (caught.value.exit_code, caught.value.hint) == (5, "write it again")


def test_a_manifest_that_cannot_be_read_is_damage(sealed):
    (sealed / "manifest.json").write_text("{")
    with pytest.raises(StorageError, match=r"manifest\.json is missing or unreadable"):
        require_whole(sealed, "")


def test_the_card_may_be_edited_and_a_folder_without_manifest_says_nothing(sealed):
    (sealed / "README.md").write_text("my own words")
    require_whole(sealed, "")
    (sealed / "manifest.json").unlink()
    flip(sealed / "model.safetensors")
    require_whole(sealed, "")
    assert list(damage_of(sealed)) == ["manifest.json is missing or unreadable"]


def test_a_missing_file_is_damage(sealed):
    (sealed / "model.safetensors").unlink()
    assert list(damage_of(sealed)) == ["model.safetensors is missing"]
    assert json.loads((sealed / "manifest.json").read_text())["files"].keys() >= {"model.safetensors"}
