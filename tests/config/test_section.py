"""The base of every part of a recipe: frozen, closed, and true is no number."""

import pytest
from pydantic import ValidationError

from truing.config.section import Section, is_section


class Part(Section):
    count: int = 1
    share: float | None = None
    on: bool = False


def test_unknown_keys_changes_and_infinities_are_refused():
    with pytest.raises(ValidationError, match="Extra inputs"):
        Part(counts=2)  # pyright: ignore[reportCallIssue]
    with pytest.raises(ValidationError, match="frozen"):
        Part().count = 3
    with pytest.raises(ValidationError, match="finite"):
        Part(share=float("inf"))


def test_true_is_not_one():
    assert Part(on=True).on is True
    for key in ("count", "share"):
        with pytest.raises(ValidationError, match="expected a number"):
            Part(**{key: True})


def test_a_mapping_is_a_section():
    assert is_section({"a": 1}) and not is_section(["a"]) and not is_section("a")
