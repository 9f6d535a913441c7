"""Steps of one message: they end after it, and braces of a prompt are no placeholders."""

from truing.core.records import Message
from truing.redteam.attacks.types import Seed, as_it_is, framed, single


def test_a_single_step_ends_after_its_message() -> None:
    step = single(lambda seed: seed.text.upper())
    said = (Message("user", "HI"), Message("assistant", "Hello."))
    assert (step(Seed("hi", "en"), ()), step(Seed("hi", "en"), said)) == ("HI", None)


def test_a_frame_keeps_the_braces_of_a_prompt() -> None:
    step = framed("Say: {prompt}", "请说：{prompt}")
    assert step(Seed("{x} {prompt}", "en"), ()) == "Say: {x} {prompt}"
    assert step(Seed("好", "zh"), ()) == "请说：好"
    assert as_it_is("{x}") == "{x}"
