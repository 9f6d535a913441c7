"""Each rule on series whose course is known: it sees its fault, and noise of any seed leaves it silent."""

import json
import math
import random
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from truing.config.health import Health
from truing.core.errors import ConfigError
from truing.training.health import (
    RULES,
    HealthHook,
    Unhealthy,
    Watch,
    diagnose,
    looks,
    read_findings,
)
from truing.training.health_series import History

from ..tables import each
from .courses import found, online, preference

# A healthy run says nothing


@each("seed", range(20))
def test_a_healthy_preference_run_is_healthy(seed: int):
    learning = preference(seed, chosen=lambda step: -4 * step / 80, margin=lambda step: 2 * step / 80)
    assert not found(learning)


@each("seed", range(20))
def test_a_healthy_online_run_is_healthy(seed: int):
    assert not found(online(seed))


@each("seed", range(20))
def test_a_healthy_fine_tuning_run_is_healthy(seed: int):
    draw = random.Random(seed)
    history = [
        {"step": s, "loss": (0.5 + 1.5 * math.exp(-s / 60)) * math.exp(draw.gauss(0, 0.35)), "grad_norm": 1.0}
        for s in range(1, 301)
    ]
    assert not found(history)


# The table


@each("name", RULES)
def test_a_rule_says_nothing_of_a_run_that_logs_nothing_or_little(name: str):
    rule = RULES[name]
    assert rule.look(History()) is None
    assert set(rule.thresholds) and rule.advice
    for count in (1, 2, 5):
        history = History()
        for row in [*preference(0, lambda s: -30.0 * s, lambda s: 9.0 * s, count)]:
            history.add(row)
        assert rule.look(history) is None


def test_a_rule_that_is_off_or_has_another_threshold():
    far = online(0, kl=lambda step: 2.0)
    assert list(found(far)) == ["kl_runaway"]
    assert not diagnose(far, Health(off=("kl_runaway",)))[0]
    assert not found(far, kl_runaway={"nats": 3})


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"off": ("kl_runway",)}, "no health rule 'kl_runway'.*did you mean 'kl_runaway'"),
        ({"rules": {"entropy": {}}}, "no health rule 'entropy'"),
        ({"rules": {"kl_runaway": {"nat": 1.0}}}, "kl_runaway takes .*'nats'.* not 'nat'.*did you mean"),
        ({"rules": {"kl_runaway": {"steps": 1.5}}}, "steps is 1.5: expected a whole number"),
    ],
)
def test_misspelt_rules_are_refused(asked: Mapping[str, Any], message: str):
    with pytest.raises(ConfigError, match=message):
        looks(Health(**asked))


def test_the_documentation_has_every_rule_with_its_thresholds():
    page = (Path(__file__).parents[2] / "docs" / "health.md").read_text()
    told = dict(re.findall(r"^\| `(\w+)` \| .* \| (.*) \|$", page, re.MULTILINE))
    assert told == {
        name: ", ".join(f"`{key}` {value:g}" for key, value in rule.thresholds.items())
        for name, rule in RULES.items()
    }


@pytest.mark.parametrize("value", [0, -1.0, True, "1"])
def test_a_threshold_is_a_number_above_0(value: object):
    with pytest.raises(ValidationError):
        Health.model_validate({"rules": {"kl_runaway": {"nats": value}}})


# While training


def test_a_finding_is_said_once_and_written_down(tmp_path):
    lines: list[str] = []
    hook = HealthHook(Health(), tmp_path, lines.append)
    for row in online(0, kl=lambda step: 2.0):
        hook(row.pop("step"), row)
    assert len(lines) == 1
    assert lines[0].startswith("health: kl_runaway since step 1: the policy is 2")
    assert [finding.rule for finding in read_findings(tmp_path)] == ["kl_runaway"]
    assert json.loads((tmp_path / "health.jsonl").read_text())["step"] == 5


def test_a_resumed_run_knows_what_was_logged_and_said(tmp_path):
    history = online(0, kl=lambda step: 2.0)
    lines: list[str] = []
    resumed = HealthHook(Health(), tmp_path, lines.append, history[:4])
    resumed(5, {"kl": 2.0, "reward": 0.2})
    assert len(lines) == 1, "the fifth step far away, four of them before the process began"
    again = HealthHook(Health(), tmp_path, lines.append, history[:4], read_findings(tmp_path))
    again(5, {"kl": 2.0, "reward": 0.2})
    assert len(lines) == 1


def test_stop_ends_the_run_with_the_reason(tmp_path):
    hook = HealthHook(Health(action="stop"), tmp_path, lambda line: None)
    with pytest.raises(Unhealthy, match="kl_runaway since step 1: the policy is 2") as caught:
        for row in online(0, kl=lambda step: 2.0):
            hook(row.pop("step"), row)
    assert caught.value.exit_code == 4
    assert "kl_weight" in caught.value.hint
    assert len(read_findings(tmp_path)) == 1


def test_a_rule_without_its_metrics_is_blind():
    watch = Watch(Health(off=("loss_spikes",)))
    watch.take({"step": 1, "loss": 1.0, "logps/chosen": -3.0})
    assert set(watch.blind()) == set(RULES) - {"not_a_number", "loss_spikes", "likelihood_displacement"}
