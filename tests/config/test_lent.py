"""Functions under names that a recipe can hold."""

import pytest

from truing.config import trust
from truing.config.imports import closest, load_function
from truing.config.lent import code_hash, lend, lent
from truing.core.errors import ConfigError


def named(responses: list[str]) -> list[float]:
    """A function that can be imported."""
    return [1.0 for _ in responses]


def test_a_function_of_a_module_goes_by_its_own_name():
    name = lend(named)
    assert name.endswith("test_lent:named")
    assert lent(name) is None, "it is imported, and was not lent"


def test_a_function_without_a_module_is_found_in_this_process():
    def tone(responses: list[str]) -> list[float]:
        return [0.5 for _ in responses]

    name = lend(tone)
    assert name == "given:tone" and lent(name) is tone is load_function(name)
    assert lend(lambda texts: texts, taken=["given:function"]) == "given:function_2"


def test_the_code_behind_a_name_has_a_hash_that_changes_with_it():
    first = lend(lambda texts: [1.0 for _ in texts])
    one = code_hash(first)
    other = code_hash(lend(lambda texts: [2.0 for _ in texts]))
    assert len(one) == 64 and one != other


def test_a_name_of_another_process_asks_for_the_function():
    with pytest.raises(ConfigError, match="given:gone is a function that was passed in Python") as caught:
        lent("given:gone")
    assert "pass gone again" in caught.value.hint


def test_a_function_that_was_passed_needs_no_other_consent(monkeypatch, tmp_path):
    monkeypatch.setenv("TRUING_CACHE", str(tmp_path))
    monkeypatch.setattr(trust, "_consent", trust._Consent())
    assert load_function(lend(closest)) is closest
    with pytest.raises(ConfigError, match="nobody has accepted"):
        load_function("truing.config.imports:is_import")
