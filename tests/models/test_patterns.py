"""Patterns match names, and give up."""

import time

import pytest

from truing.models.patterns import PLAIN, PatternError, Patterns

NAMES = ["model.layers.0.self_attn.q_proj", "model.layers.0.mlp.up_proj"]


def test_whole_names_are_matched():
    patterns = Patterns(NAMES)
    assert patterns.matching(r".*\.q_proj") == NAMES[:1]
    assert patterns.matching("q_proj") == []
    assert PLAIN.fullmatch("q_proj") and not PLAIN.fullmatch("q|v")


@pytest.mark.parametrize("pattern", ["(", "(?P<a", "[z-a]"])
def test_what_is_no_pattern_is_told(pattern: str):
    with pytest.raises(PatternError):
        Patterns(NAMES).matching(pattern)


def test_a_pattern_of_years_ends_in_seconds():
    began = time.monotonic()
    try:
        found = Patterns(NAMES).matching("(([a-z._0-9])+)+!")
    except PatternError as error:
        assert "timed out" in str(error)
    else:
        assert found == []
    assert time.monotonic() - began < 10
