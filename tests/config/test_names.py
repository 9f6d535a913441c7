"""The names known without torch are those of the tables, and an unknown one is told with what exists."""

import pytest

from truing.config.names import (
    OFFLINE_LOSSES,
    ONLINE_METHODS,
    POLICY_LOSSES,
    TASKS,
    TEMPLATES,
    require_losses,
    require_method,
    require_tasks,
    require_template,
)
from truing.core.errors import ConfigError, UsageError
from truing.data import templates
from truing.evals.tasks import table as tasks
from truing.methods import offline, online


def test_the_names_are_those_of_the_tables():
    assert {name: list(one.losses) for name, one in offline.OFFLINE.items()} == {
        name: list(losses) for name, losses in OFFLINE_LOSSES.items()
    }
    assert list(online.ONLINE) == list(ONLINE_METHODS)
    assert list(online.POLICY_LOSSES) == list(POLICY_LOSSES)
    assert list(tasks.TASKS) == list(TASKS)
    assert ("auto", *templates.TEMPLATES) == TEMPLATES


def test_what_exists_passes():
    require_method("dpo")
    require_method("grpo")
    require_losses("dpo", ["ipo", "my_file:my_loss"])
    require_losses("grpo", ["gspo"])
    require_tasks(["kl", "my_file:my_task"])
    require_template("auto")


def test_a_template_that_is_none_is_told():
    with pytest.raises(UsageError, match=r"--template chatt: expected one of auto, chat, alpaca, plain"):
        require_template("chatt")


@pytest.mark.parametrize(
    ("check", "message"),
    [
        (lambda: require_method("dop"), "no method 'dop'; known: bco, .*; did you mean 'dpo'"),
        (lambda: require_method("rm"), "no method 'rm'; known: .*; it is method: reward here"),
        (
            lambda: require_losses("dpo", ["ipo", "sigmoid"]),
            "no loss 'sigmoid' .*; it is loss.name: dpo here",
        ),
        (lambda: require_losses("cpo", ["hinge"]), "no loss 'hinge' .*; it is loss.name: cpo_hinge here"),
        (lambda: require_losses("grpo", ["dapo"]), "it is loss.aggregation: token_mean here"),
        (lambda: require_tasks(["harmlesness"]), "no task 'harmlesness'; .* did you mean 'harmlessness'"),
    ],
)
def test_what_does_not_is_told(check, message: str):
    with pytest.raises(ConfigError, match=message):
        check()
