from pathlib import Path
from typing import Any

import pytest

from truing.config.rewards import RewardPart
from truing.core.errors import ConfigError, ModelError
from truing.rewards.build import build_mix, rule_reward
from truing.rewards.rules import NO_REFERENCE, RULES
from truing.rewards.types import Failed, Item, ScoredItem

from ..tables import each

SMALLEST: dict[str, dict[str, Any]] = {
    "regex": {"pattern": "a"},
    "keywords": {"words": ["a"]},
    "length": {"high": 9},
}


def parts(*keys: dict[str, Any]) -> list[RewardPart]:
    return [RewardPart.model_validate(one) for one in keys]


def test_every_rule_can_be_named():
    mix = build_mix(parts(*({"name": name, **SMALLEST.get(name, {})} for name in RULES)), skip_failed=1.0)
    scores = mix([Item((), "5", tokens=1, reference="5")])
    assert list(scores.parts) == list(RULES)
    assert {title: one for title, (one,) in scores.parts.items() if isinstance(one, Failed)} == {}


def test_weights_labels_and_options_arrive():
    mix = build_mix(
        parts(
            {"name": "regex", "label": "polite", "pattern": "please", "weight": 0.5},
            {"name": "regex", "pattern": "[0-9]", "weight": -1},
        )
    )
    scores = mix([Item((), "please 5"), Item((), "please"), Item((), "no")])
    assert scores.totals == [-0.5, 0.5, 0.0]
    assert set(scores.parts) == {"polite", "regex"}


def test_functions_wait_and_rules_do_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "my_rewards_here.py").write_text("def one(responses):\n    return [1.0] * len(responses)\n")
    monkeypatch.chdir(tmp_path)
    mix = build_mix(parts({"name": "my_rewards_here:one"}, {"name": "format"}))
    assert [(part.title, part.waits) for part in mix.parts] == [("one", True), ("format", False)]
    assert mix([Item((), "a")]).totals == [1.0]


@each(
    ("keys", "told"),
    [
        ([], "nothing scores"),
        ([{"name": "numerci"}], "no reward 'numerci'; known: .*did you mean 'numeric'"),
        (
            [{"name": "numeric", "tolerence": 0.1}],
            "takes percent, tolerance, not .*did you mean 'tolerance'",
        ),
        (
            [{"name": "numeric", "tolerance": "small"}],
            "tolerance of the reward 'numeric' is 'small'",
        ),
        ([{"name": "numeric", "tolerance": True}], "is True"),
        ([{"name": "numeric", "tolerance": float("nan")}], "tolerance of the reward 'numeric' is nan"),
        ([{"name": "numeric", "percent": "maybe"}], "'either' or 'fraction'"),
        ([{"name": "repetition", "ngram_size": 0}], "ngram_size of the reward 'repetition' is 0: .*1"),
        ([{"name": "regex"}], "the reward 'regex' needs pattern"),
        ([{"name": "regex", "pattern": "("}], "not a regular expression"),
        ([{"name": "length", "low": 5, "high": 4}], "low 5 above high 4"),
        ([{"name": "keywords"}], "either words or the column"),
        ([{"name": "format", "pattern": "a"}], "takes names, opened, partial, not 'pattern'"),
        ([{"name": "format"}, {"name": "format"}], "two rewards are called 'format'"),
        ([{"name": "model"}], "the reward 'model' needs path"),
        ([{"name": "model", "path": "p", "dtype": "int8"}], "dtype of the reward 'model' is 'int8'"),
        ([{"name": "nowhere_to_be_found:f"}], "no module 'nowhere_to_be_found'"),
    ],
)
def test_mistakes_are_told_before_anything_is_trained(keys: list[dict[str, Any]], told: str):
    with pytest.raises(ConfigError, match=told):
        build_mix(parts(*keys))


def test_a_reward_model_is_opened_after_every_option_is_checked():
    """A misspelt option behind it does not cost the time to load it."""
    keys = [{"name": "model", "path": "/nowhere"}, {"name": "format", "nmaes": []}]
    with pytest.raises(ConfigError, match="nmaes"):
        build_mix(parts(*keys))
    with pytest.raises(ModelError, match="/nowhere"):
        build_mix(parts(keys[0]))


def test_a_rule_alone():
    reward = rule_reward("numeric", {})
    assert reward([Item((), "5", reference="5"), Item((), "5")]) == [
        ScoredItem(1.0),
        NO_REFERENCE,
    ]
