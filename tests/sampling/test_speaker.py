"""Prompts of a speaker: turns, a text, or the prompt of a row, and how one that went wrong is named."""

import gc
import shutil
from pathlib import Path
from typing import Any, cast

import pytest

from truing.core.records import Message, Record, as_json, user
from truing.models.trained import load_trained
from truing.sampling.speaker import Askable, Speaker, shared_speaker
from truing.sampling.types import NoLogitsError, Sampling

TOOLS = as_json({"tools": [{"name": "f"}]})


class Broken:
    """A sampler of a model whose weights are no numbers."""

    def sample(self, prompts: list[list[int]], *_, **__) -> None:
        raise NoLogitsError(len(prompts) - 1, 0, "lm_head")


class Seen:
    """A renderer that remembers what it was given beside the turns."""

    def __init__(self) -> None:
        self.given: list[str] = []

    def prompt(self, turns: tuple[Message, ...], given: str = "", place: str = "") -> list[int]:
        self.given.append(given)
        return [1]


@pytest.mark.parametrize("asked", ["Why?", user("Why?"), Record(user("Why?"), given=TOOLS)])
def test_the_prompt_that_gave_no_numbers_is_named_in_every_form(asked: Askable):
    renderer = Seen()
    speaker = Speaker(*cast(Any, (renderer, Broken(), None, None, None)))
    with pytest.raises(NoLogitsError, match=r"asked 'Why\?'"):
        speaker.answer(["Who?", asked], Sampling())
    assert renderer.given == ["", TOOLS if isinstance(asked, Record) else ""]


def test_a_model_is_loaded_once_for_all_who_hold_it(model_folder: Path, loads: list[str]):
    first = shared_speaker(str(model_folder))
    assert shared_speaker(str(model_folder)) is first
    assert shared_speaker(str(model_folder), template="plain") is not first
    assert loads == [str(model_folder)] * 2
    del first
    gc.collect()
    shared_speaker(str(model_folder))
    assert len(loads) == 3, "nobody held it, and its memory was free"


def test_files_that_have_changed_are_another_model(model_folder: Path, moved_folder: Path, tmp_path: Path):
    folder = tmp_path / "mine"
    shutil.copytree(model_folder, folder)
    first = shared_speaker(str(folder))
    shutil.copyfile(moved_folder / "model.safetensors", folder / "model.safetensors")
    assert shared_speaker(str(folder)) is not first


def test_models_in_memory_are_told_apart_though_they_share_a_name(model_folder: Path):
    one, other = (load_trained(str(model_folder)) for _ in range(2))
    first = shared_speaker("mine", one)
    assert shared_speaker("mine", one) is first
    assert shared_speaker("mine", other).model is other.model
