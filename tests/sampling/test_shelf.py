"""Models that are opened when asked, and closed where memory ends."""

import gc
import shutil
import weakref
from pathlib import Path

import pytest

from truing.core.errors import MemoryShortError
from truing.sampling.shelf import Shelf, bytes_of


def test_a_model_is_opened_once_and_closed_for_another_where_memory_ends(
    model_folder: Path, moved_folder: Path, loads: list[str], tmp_path: Path
):
    one, other = str(tmp_path / "one"), str(tmp_path / "other")
    shutil.copytree(model_folder, one)
    shutil.copytree(moved_folder, other)
    shelf = Shelf(1.5 * bytes_of(one))
    for _ in range(2):
        with shelf.using(one) as speaker:
            assert shelf.held == [one]
    gone = weakref.ref(speaker)
    del speaker
    with shelf.using(other):
        assert shelf.held == [other]
    assert loads == [one, other]
    gc.collect()
    assert gone() is None, "its memory is free"


def test_a_model_in_use_is_not_closed_and_the_other_is_told_how_much_is_left(
    model_folder: Path, moved_folder: Path
):
    one, other = str(model_folder), str(moved_folder)
    shelf = Shelf(1.5 * bytes_of(one))
    with (
        shelf.using(one),
        pytest.raises(MemoryShortError, match=r"takes about .* GB, and .* GB are left"),
        shelf.using(other),
    ):
        pass
    assert shelf.held == [one]


def test_the_size_is_told_before_a_weight_is_read(model_folder: Path):
    weights = (model_folder / "model.safetensors").stat().st_size
    assert 0.9 * weights < bytes_of(str(model_folder)) <= 2 * weights, "bfloat16 or float32, twice on a CPU"
