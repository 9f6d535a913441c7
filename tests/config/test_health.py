"""The section `health` of a recipe."""

import pytest
from pydantic import ValidationError

from truing.config.health import Health


def test_by_default_findings_are_reported_and_nothing_more():
    health = Health()
    assert (health.action, health.rules, health.off) == ("warn", {}, ())


def test_a_threshold_is_a_number_above_nothing():
    assert Health(rules={"kl_runaway": {"nats": 0.5}}).rules["kl_runaway"]["nats"] == 0.5
    for wrong in (0.0, -1.0, True, "1"):
        with pytest.raises(ValidationError):
            Health(rules={"kl_runaway": {"nats": wrong}})  # pyright: ignore[reportArgumentType]


def test_an_unknown_action_or_key_is_refused():
    for wrong in ({"action": "panic"}, {"rollbacks": 0}, {"of": ["kl_runaway"]}):
        with pytest.raises(ValidationError):
            Health(**wrong)
