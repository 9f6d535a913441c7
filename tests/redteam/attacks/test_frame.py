"""Frames: the prompt stands whole below a situation, in its own language."""

import pytest
from tests.redteam.attacks.talking import SEEDS

from truing.redteam.attacks import frame
from truing.text.units import Script, scripts


@pytest.mark.parametrize("name", ["role_play", "past_tense", "hypothetical", "authority"])
def test_a_frame_is_in_the_language_of_its_prompt(name: str) -> None:
    step = getattr(frame, name)
    for language, seed in SEEDS.items():
        message = step(seed, ())
        assert message.endswith(f"\n\n{seed.text}")
        above = message.removesuffix(seed.text)
        assert (scripts(above)[Script.HAN] > scripts(above)[Script.LATIN]) == (language == "zh")
