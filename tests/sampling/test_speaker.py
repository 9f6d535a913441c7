"""Prompts of a speaker: turns, a text, or the prompt of a row, and how one that went wrong is named."""

from typing import Any, cast

import pytest

from truing.core.records import Message, Record, as_json, user
from truing.sampling.speaker import Askable, Speaker
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
    speaker = Speaker(*cast(Any, (None, None, renderer, None, Broken())))
    with pytest.raises(NoLogitsError, match=r"asked 'Why\?'"):
        speaker.answer(["Who?", asked], Sampling())
    assert renderer.given == ["", TOOLS if isinstance(asked, Record) else ""]
