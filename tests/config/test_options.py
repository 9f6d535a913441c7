"""Options of a recipe against the signature of the function that takes them."""

from typing import Annotated

import pytest
from pydantic import Field

from truing.config.options import called, check_options, keyword_defaults, keyword_options
from truing.core.errors import ConfigError


def rule(item: str, *, least: Annotated[int, Field(ge=1)], pattern: str = ".*", weight: float = 1.0) -> float:
    return weight


def test_keyword_only_arguments_are_the_options():
    assert list(keyword_options(rule)) == ["least", "pattern", "weight"]
    assert keyword_defaults(rule)["weight"] == 1.0


def test_options_that_fit_pass():
    check_options("it", keyword_options(rule), {"least": 1, "weight": 2})


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (
            {"least": 1, "patern": "a"},
            "the reward 'rule' takes least, pattern, weight, not 'patern'; did you mean",
        ),
        ({"pattern": "a"}, "the reward 'rule' needs least"),
        ({"least": 0}, "least of the reward 'rule' is 0: Input should be greater than or equal to 1"),
        ({"least": "1"}, "least of the reward 'rule' is '1'"),
        ({"least": 1, "weight": float("nan")}, "weight of the reward 'rule' is nan"),
    ],
)
def test_a_mistake_names_the_option_and_its_owner(given: dict, said: str):
    with pytest.raises(ConfigError) as caught:
        check_options(called("reward", "rule"), keyword_options(rule), given)
    assert said in str(caught.value)
