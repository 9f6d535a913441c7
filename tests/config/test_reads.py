"""Every key of a recipe is read by the method it is set under, or refused."""

from typing import Any

import pytest

from truing.config.reads import PARTICULAR, READS, require_read
from truing.config.recipe import Recipe
from truing.core.errors import ConfigError
from truing.methods.offline import OFFLINE
from truing.methods.online import ONLINE
from truing.objectives.shapes import PAIR, UNPAIRED

from ..tables import each

SET: dict[str, dict[str, Any]] = {  # a recipe that sets the key, and nothing else of `PARTICULAR`
    "data.unpair": {"data": {"train": "t", "unpair": True}},
    "data.one_class": {"data": {"train": "t", "one_class": True}},
    "data.tokens": {"data": {"train": "t", "tokens": "differing"}},
    "data.retain": {"data": {"train": "t", "retain": "r"}, "lora": {}},
    "data.retain_weight": {"data": {"train": "t", "retain_weight": 0.5}},
    "data.retain_per_step": {"data": {"train": "t", "retain_per_step": 4}},
    "data.ptx": {"data": {"train": "t", "ptx": "p"}},
    "data.ptx_weight": {"data": {"train": "t", "ptx_weight": 0.5}},
    "loss.mix": {"loss": {"mix": {"one": 1.0, "other": 1.0}}},
    "reference": {"reference": "another"},
    "rewards": {"rewards": [{"name": "numeric"}]},
    "sampling": {"sampling": {"temperature": 0.5}},
    "online": {"online": {"mini_batches": 2}},
    "critic": {"critic": {"start": "policy"}},
}


def recipe(method: str, **changes: Any) -> Recipe:
    return Recipe.model_validate({"method": method, "policy": "p", "data": {"train": "t"}, **changes})


def test_every_method_says_what_it_reads_and_every_key_has_a_reader():
    assert set(READS) == {*OFFLINE, *ONLINE}
    assert {key for keys in READS.values() for key in keys} == set(PARTICULAR) == set(SET)


@each("method", READS)
def test_a_key_that_a_method_does_not_read_is_refused(method: str):
    require_read(recipe(method))
    for key, changes in SET.items():
        asked = recipe(method, **changes)
        if key in READS[method]:
            require_read(asked)
            continue
        with pytest.raises(ConfigError, match=f"^{key} is not read by {method}$") as error:
            require_read(asked)
        assert f"{method} reads {', '.join(READS[method])}" in error.value.hint


def test_what_methods_say_they_read_follows_from_their_shapes():
    for name, method in OFFLINE.items():
        shapes, keys = [shape for shape, _ in method.tables], READS[name]
        assert ("reference" in keys) == any("ref" in shape.supplies for shape in shapes), name
        assert ("data.tokens" in keys) == (PAIR in shapes), name
        assert ("data.unpair" in keys) == ("data.one_class" in keys) == (UNPAIRED in shapes), name
        assert ("data.retain" in keys) != method.scores, name
