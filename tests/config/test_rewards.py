import pytest

from truing.config.config import validate
from truing.config.documents import Origin, parse_yaml
from truing.config.rewards import RewardPart
from truing.config.section import Section
from truing.core.errors import ConfigError


class Rewards(Section):
    rewards: tuple[RewardPart, ...] = ()


def read(text: str) -> tuple[RewardPart, ...]:
    return validate(parse_yaml(text, Origin("recipe.yaml", 1)), Rewards).rewards


def test_options_are_what_is_left():
    (part,) = read("rewards:\n- {name: regex, weight: 2, label: tidy, pattern: '^a', flags: [1, {a: b}]}")
    assert (part.name, part.weight, part.title) == ("regex", 2.0, "tidy")
    assert part.options == {"pattern": "^a", "flags": [1, {"a": "b"}]}


def test_titles():
    first, second = read("rewards: [{name: numeric}, {name: 'my.module:tone'}]")
    assert (first.title, second.title) == ("numeric", "tone")


def test_what_is_written_loads_again():
    for part in read("rewards: [{name: length, low: 1, high: 5, weight: -0.5}]"):
        assert RewardPart.model_validate(part.model_dump(mode="json")) == part


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("- {weight: 1}", "recipe.yaml:2: a reward needs a name"),
        ("- {name: a, weight: true}", "recipe.yaml:2: rewards.0.weight is true: expected a number"),
        ("- {name: a, weight: '1'}", "rewards.0.weight is '1': expected a number"),
        ("- {name: a, weight: .nan}", "expected a finite number"),
        ("- {name: ''}", "text that is not empty"),
        ("- numeric", "rewards.0 is 'numeric': expected a mapping"),
        ("- {name: a}\n- {name: b, no-name: 3}", "recipe.yaml:3: 'no-name' cannot be the name of an option"),
    ],
)
def test_mistakes_are_told_with_their_line(text: str, told: str):
    with pytest.raises(ConfigError) as error:
        read(f"rewards:\n{text}")
    assert told in str(error.value)
