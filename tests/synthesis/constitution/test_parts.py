"""A model that several parts name is opened once, and the rule is a part but no policy."""

import pytest

from truing.core.errors import ConfigError
from truing.synthesis.constitution.by_model import ByModel
from truing.synthesis.constitution.by_rule import ByRule
from truing.synthesis.constitution.parts import RevisionParts


def test_one_model_is_opened_once():
    parts = RevisionParts(None, None, "runs/mine")
    policy, critic = parts.role("runs/mine"), parts.part("runs/mine")
    assert isinstance(critic, ByModel)
    assert critic.role is policy
    assert parts.role("runs/other") is not policy


def test_the_rule_is_a_part_and_no_policy():
    parts = RevisionParts(None, None, "runs/mine")
    assert isinstance(parts.part({"name": "rule"}), ByRule)
    with pytest.raises(ConfigError, match="no role 'rule'"):
        parts.role({"name": "rule"})
