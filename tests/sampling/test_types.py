"""The settings of drawing have bounds, and a sample as many numbers as tokens."""

import pytest

from truing.core.errors import ConfigError, DivergedError
from truing.sampling.types import Finish, NoLogitsError, Sample, Sampling


def test_zero_is_greedy():
    assert Sampling().greedy and not Sampling(temperature=0.5).greedy


@pytest.mark.parametrize(
    "wrong",
    [
        {"max_new_tokens": 0},
        {"repetition_penalty": 0.0},
        {"temperature": -0.1},
        {"top_k": -1},
        {"top_p": 0.0},
        {"top_p": 1.1},
        {"min_p": 1.5},
        {"seed": 2**64},
        {"stop": ("",)},
    ],
)
def test_settings_out_of_bounds_are_named(wrong: dict):
    ((name, value),) = wrong.items()
    with pytest.raises(ConfigError, match=name) as caught:
        Sampling(**wrong)
    assert repr(value) in str(caught.value)


def test_a_number_for_each_token_or_none():
    Sample([1, 2], [], "a", Finish.STOP, 0, 0)
    with pytest.raises(ValueError, match="2 tokens but 1 log-probabilities"):
        Sample([1, 2], [-0.5], "a", Finish.STOP, 0, 0)


def test_logits_that_are_no_numbers_are_told_by_the_name_of_the_prompt():
    error = NoLogitsError(3, 7, "the output of head")
    assert isinstance(error, DivergedError) and str(error).startswith("prompt 3: ")
    assert str(error.named("a:1")).startswith(
        "a:1: the model's logits are not finite after 7 tokens, first in"
    )
