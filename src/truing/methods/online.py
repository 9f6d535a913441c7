"""The table of online methods: how credit is given, what is minimised, how tokens are averaged.

To add one: a row here. To add a credit, a loss, an aggregation or a KL estimator: a row in its own table
under `losses/`; every method can then be told to use it, under `loss:` in a recipe.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from truing.core.errors import ConfigError
from truing.losses.aggregate import AGGREGATIONS, Aggregation
from truing.losses.credit import CREDITS
from truing.losses.kl import KL_ESTIMATORS, WITHOUT_PULL
from truing.losses.policy_gradient import POLICY_LOSSES
from truing.methods.binding import EMPTY, Hyper, arguments_of, checked, closest, defaults_of

KL_IN = ("loss", "reward")
UNIFORM = ("keep", "drop")


@dataclass(frozen=True)
class OnlineMethod:
    """What tells one online method from another. All but the name are defaults of its recipes."""

    name: str
    title: str
    loss: str  # of POLICY_LOSSES
    credit: str  # of CREDITS
    aggregation: str  # of AGGREGATIONS
    group_size: int  # responses to a prompt
    kl_weight: float
    kl: str  # of KL_ESTIMATORS
    kl_in: str  # of KL_IN
    adapter_rate: float = 1e-5
    full_rate: float = 1e-6

    @property
    def options(self) -> dict[str, Hyper]:
        """What a recipe may set under `loss:` whatever functions it chooses, with the method's defaults."""
        return {
            "credit": self.credit,
            "aggregation": self.aggregation,
            "kl_weight": self.kl_weight,
            "kl": self.kl,
            "kl_in": self.kl_in,
            "kl_target": 0.0,
            "kl_horizon": 10_000.0,
            "entropy_weight": 0.0,
            "uniform": "keep",
        }


ONLINE = {
    method.name: method
    for method in (
        OnlineMethod(
            "grpo",
            "group relative policy optimisation",
            loss="clipped_surrogate",
            credit="group_standardised",
            aggregation="token_mean",
            group_size=8,
            kl_weight=0.0,
            kl="k3",
            kl_in="loss",
        ),
        OnlineMethod(
            "rloo",
            "REINFORCE with a leave-one-out baseline",
            loss="reinforce",
            credit="leave_one_out",
            aggregation="response_sum",
            group_size=4,
            kl_weight=0.05,
            kl="k1",
            kl_in="reward",
        ),
        OnlineMethod(
            "reinforce_pp",
            "REINFORCE++",
            loss="clipped_surrogate",
            credit="reinforce_pp",
            aggregation="token_mean",
            group_size=1,
            kl_weight=0.01,
            kl="k1",
            kl_in="reward",
        ),
        OnlineMethod(
            "reinforce_pp_baseline",
            "REINFORCE++ with the mean of the group as its baseline",
            loss="clipped_surrogate",
            credit="reinforce_pp_baseline",
            aggregation="token_mean",
            group_size=8,
            kl_weight=0.01,
            kl="k2",
            kl_in="loss",
        ),
    )
}


@dataclass(frozen=True)
class Bound:
    """A function of a table under its name, with every hyper-parameter it takes."""

    name: str
    function: Callable[..., Any]
    hyper: dict[str, Hyper]

    def takes(self, argument: str) -> bool:
        return argument in arguments_of(self.function)

    def __call__(self, **given: Any) -> Any:
        """The function of those of `given` that it takes."""
        return self.function(**{key: given[key] for key in arguments_of(self.function)}, **self.hyper)


@dataclass(frozen=True)
class ChosenOnline:
    """A method with the functions and numbers a recipe asks for, all defaults filled in."""

    method: OnlineMethod
    loss: Bound
    credit: Bound
    aggregation: Bound
    unit: Any  # of train.step.Unit: what the weighted sum over tokens is divided by
    max_length: int  # the most tokens a response may have, for `fixed_length`
    kl: Bound
    kl_weight: float  # of the first step
    kl_in: str
    kl_target: float  # nats per token that the weight is steered to; 0 keeps it
    kl_horizon: float  # responses
    entropy_weight: float
    uniform: str

    @property
    def needs_reference(self) -> bool:
        return self.kl_weight > 0

    @property
    def described(self) -> dict[str, Any]:
        """Every choice, for `config.json`."""
        bound = {part: getattr(self, part) for part in ("loss", "credit", "aggregation", "kl")}
        told = ("kl_weight", "kl_in", "kl_target", "kl_horizon", "entropy_weight", "uniform")
        numbers = {key: getattr(self, key) for key in told}
        return {part: {"name": one.name, **one.hyper} for part, one in bound.items()} | numbers


def _found(table: Mapping[str, Any], kind: str, name: Hyper) -> Any:
    if name not in table:
        known = sorted(table)
        raise ConfigError(f"no {kind} {name!r}; known: {', '.join(known)}{closest(str(name), known)}")
    return table[name]  # pyright: ignore[reportArgumentType] - a mapping is in no table


def choose_online(
    name: str, loss_name: str | None, hyper: Mapping[str, Hyper] = EMPTY, *, max_length: int = 1024
) -> ChosenOnline:
    """Look up what a recipe's method and `loss:` ask for. Raises ConfigError naming what exists."""
    method = ONLINE[name]
    options = method.options
    asked = {key: checked(key, hyper.get(key, default), default) for key, default in options.items()}
    aggregation: Aggregation = _found(AGGREGATIONS, "aggregation", asked["aggregation"])
    loss = loss_name or method.loss
    found = {
        loss: _found(POLICY_LOSSES, "loss", loss),
        str(asked["credit"]): _found(CREDITS, "credit", asked["credit"]),
        str(asked["aggregation"]): aggregation.weigh,
        str(asked["kl"]): _found(KL_ESTIMATORS, "KL estimator", asked["kl"]),
    }
    own = {part: defaults_of(function) for part, function in found.items()}
    takes = {**options, **{key: value for part in own.values() for key, value in part.items()}}
    for key, value in hyper.items():
        if key not in takes:
            raise ConfigError(f"{name} takes {sorted(takes)}, not {key!r}{closest(key, sorted(takes))}")
        checked(key, value, takes[key])
    bound = {
        part: Bound(part, found[part], {key: hyper.get(key, default) for key, default in own[part].items()})
        for part in found
    }

    def number(key: str) -> float:
        return float(asked[key])  # pyright: ignore[reportArgumentType] - `checked` knows it is one

    _require_sense(asked, found[str(asked["credit"])])
    return ChosenOnline(
        method,
        bound[loss],
        bound[str(asked["credit"])],
        bound[str(asked["aggregation"])],
        aggregation.unit,
        max_length,
        bound[str(asked["kl"])],
        kl_weight=number("kl_weight"),
        kl_in=str(asked["kl_in"]),
        kl_target=number("kl_target"),
        kl_horizon=number("kl_horizon"),
        entropy_weight=number("entropy_weight"),
        uniform=str(asked["uniform"]),
    )


def _require_sense(asked: Mapping[str, Hyper], credit: Callable[..., Any]) -> None:
    for key, known in (("kl_in", KL_IN), ("uniform", UNIFORM)):
        if asked[key] not in known:
            raise ConfigError(f"loss.{key} is {asked[key]!r}: expected {' or '.join(known)}")
    if asked["kl_in"] == "loss" and asked["kl_weight"] and asked["kl"] in WITHOUT_PULL:
        raise ConfigError(
            f"loss.kl: {asked['kl']} in the loss has no gradient in expectation and holds nothing",
            hint="set loss.kl: k3_weighted or k2, or loss.kl_in: reward",
        )
    if asked["kl_in"] == "reward" and asked["kl"] != "k1":
        raise ConfigError(
            f"loss.kl: {asked['kl']} in the reward is no unbiased penalty", hint="set loss.kl: k1"
        )
    if asked["uniform"] == "drop" and "group" not in arguments_of(credit):
        raise ConfigError(f"loss.uniform: drop is of groups, and {asked['credit']} does not look at groups")
