"""Names of rewards, known before torch is imported."""

import pytest

from truing.core.errors import ConfigError
from truing.rewards.names import require_reward
from truing.rewards.rules import RULES


def test_rules_models_judges_and_own_functions_pass():
    for name in (*RULES, "model", "judge", "rubric", "my_file:tone"):
        require_reward(name)


def test_a_misspelt_name_is_told_with_the_nearest():
    with pytest.raises(ConfigError, match="did you mean 'numeric'"):
        require_reward("numerc")
