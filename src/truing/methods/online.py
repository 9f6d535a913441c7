"""The table of online methods: the credit, the loss and the aggregation of each.

To add one: a row here. To add a credit, a loss, an aggregation or a KL estimator: a row in its own table
under `losses/`; a recipe of any method can then name it under `loss:`. A loss or a credit may also be a
function of the user's own, `module:function`.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import asdict, fields
from typing import Any

from truing.config.imports import is_import
from truing.config.tables import find
from truing.core.errors import ConfigError
from truing.losses.aggregate import AGGREGATIONS, Aggregation
from truing.losses.credit import CREDITS
from truing.losses.importance import CORRECTIONS
from truing.losses.kl import KL_ESTIMATORS, WITHOUT_PULL
from truing.losses.policy_gradient import POLICY_LOSSES, VALUE_LOSSES
from truing.objectives.binding import (
    EMPTY,
    Hyper,
    arguments_of,
    checked,
    defaults_of,
    lookup,
    unknown_hyper,
)
from truing.objectives.choices import CHOICES, NONE, Bound, ChosenOnline, OnlineMethod, Settings
from truing.objectives.own_online import Own, own_credit, own_policy_loss

ONLINE = {
    method.name: method
    for method in (
        OnlineMethod(
            "ppo",
            "proximal policy optimisation with a critic",
            loss="clipped_surrogate",
            credit="gae",
            aggregation="token_mean",
            group_size=1,
            kl="k1",
            settings=Settings(kl_weight=0.05, kl_in="reward", entropy_weight=0.01, whiten=True),
            epochs=4,
        ),
        OnlineMethod(
            "grpo",
            "group relative policy optimisation",
            loss="clipped_surrogate",
            credit="group_standardised",
            aggregation="token_mean",
            group_size=8,
            kl="k3",
            settings=Settings(),
        ),
        OnlineMethod(
            "rloo",
            "REINFORCE with a leave-one-out baseline",
            loss="reinforce",
            credit="leave_one_out",
            aggregation="response_sum",
            group_size=4,
            kl="k1",
            settings=Settings(kl_weight=0.05, kl_in="reward"),
        ),
        OnlineMethod(
            "reinforce_pp",
            "REINFORCE++",
            loss="clipped_surrogate",
            credit="reinforce_pp",
            aggregation="token_mean",
            group_size=1,
            kl="k1",
            settings=Settings(kl_weight=0.01, kl_in="reward"),
        ),
        OnlineMethod(
            "reinforce_pp_baseline",
            "REINFORCE++ with the mean of the group as its baseline",
            loss="clipped_surrogate",
            credit="reinforce_pp_baseline",
            aggregation="token_mean",
            group_size=8,
            kl="k2",
            settings=Settings(kl_weight=0.01),
        ),
    )
}


def _loss(name: str, method: str, taken: Collection[str]) -> Own:
    if is_import(name):
        return own_policy_loss(name, method, taken)
    return Own(lookup(POLICY_LOSSES, name, method), "")


def _credit(name: Hyper, method: str, taken: Collection[str]) -> Own:
    if isinstance(name, str) and is_import(name):
        return own_credit(name, method, taken)
    return Own(find("credit", CREDITS, name), "")


def choose_online(
    name: str, loss_name: str | None, hyper: Mapping[str, Hyper] = EMPTY, *, max_length: int = 1024
) -> ChosenOnline:
    """Look up a recipe's method and the names under `loss:`; try a loss or credit of the user's own.

    Raises ConfigError that lists the known names, or says what is wrong with the user's function.
    """
    method = ONLINE[name]
    options: dict[str, Hyper] = {**method.functions, **asdict(method.settings)}
    asked = {key: checked(key, hyper.get(key, default), default) for key, default in options.items()}
    asked["loss"] = loss_name or method.loss
    aggregation: Aggregation = find("aggregation", AGGREGATIONS, asked["aggregation"])
    loss, credit = _loss(str(asked["loss"]), name, options), _credit(asked["credit"], name, options)
    found: dict[str, Callable[..., Any]] = {
        "loss": loss.function,
        "credit": credit.function,
        "aggregation": aggregation.weigh,
        "kl": find("KL estimator", KL_ESTIMATORS, asked["kl"]),
    }
    if "values" in arguments_of(found["credit"]):
        found["value_loss"] = find("value loss", VALUE_LOSSES, asked["value_loss"])
    if asked["correction"] != NONE:
        found["correction"] = find("correction", CORRECTIONS, asked["correction"])
    own = {part: defaults_of(function) for part, function in found.items()}
    takes = {**options, **{key: value for part in own.values() for key, value in part.items()}}
    for key, value in hyper.items():
        if key not in takes:
            raise unknown_hyper(name, key, takes)
        checked(key, value, takes[key])
    bound = {
        part: Bound(str(asked[part]), found[part], {key: hyper.get(key, own[part][key]) for key in own[part]})
        for part in found
    }
    settings = Settings(**{one.name: asked[one.name] for one in fields(Settings)})  # pyright: ignore[reportArgumentType]
    _require_sense(settings, bound)
    return ChosenOnline(
        method,
        bound["loss"],
        bound["credit"],
        bound["aggregation"],
        aggregation.unit,
        max_length,
        bound["kl"],
        bound.get("value_loss"),
        bound.get("correction"),
        settings,
        {str(asked[part]): own.sha256 for part, own in (("loss", loss), ("credit", credit)) if own.sha256},
    )


def _require_sense(settings: Settings, bound: Mapping[str, Bound]) -> None:
    kl, credit = bound["kl"].name, bound["credit"]
    for key, known in CHOICES.items():
        if getattr(settings, key) not in known:
            raise ConfigError(f"loss.{key} is {getattr(settings, key)!r}: expected {' or '.join(known)}")
    if not 0 < settings.entropy_share <= 1:
        raise ConfigError(f"loss.entropy_share is {settings.entropy_share}: expected above 0 and at most 1")
    if settings.kl_in == "loss" and settings.kl_weight and kl in WITHOUT_PULL:
        raise ConfigError(
            f"loss.kl: {kl} in the loss has no gradient in expectation and holds nothing",
            hint="set loss.kl: k3_weighted or k2, or loss.kl_in: reward",
        )
    if settings.kl_in == "reward" and kl != "k1":
        raise ConfigError(f"loss.kl: {kl} in the reward is no unbiased penalty", hint="set loss.kl: k1")
    if settings.uniform == "drop" and not credit.takes("group"):
        raise ConfigError(f"loss.uniform: drop is of groups, and {credit.name} does not look at groups")
    if settings.whiten_rewards and not credit.takes("token_rewards"):
        raise ConfigError(f"loss.whiten_rewards is of rewards per token, and {credit.name} takes none")
