"""Settings that do nothing in a run, although the user who wrote them expects them to act.

`config/reads.py` refuses the keys that a method never reads. This module lists the keys that the chosen loss
or another key leaves without use. A second model without use is refused; the user is told of a number without
use at the start.

A setting counts as written where its value is not the default. To add one: a row in `OFFLINE_IDLE`,
`ONLINE_IDLE` or `ANY_IDLE`: its key, the condition under which it does nothing, and the reason.
"""

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

from pydantic import BaseModel

from truing.config.online import CriticSection
from truing.config.recipe import Recipe
from truing.core.errors import ConfigError
from truing.core.messages import Sentence, message
from truing.methods.offline import Chosen

if TYPE_CHECKING:
    from truing.objectives.choices import ChosenOnline


class Idle(NamedTuple):
    """One setting, and whether it is written and does nothing."""

    key: str
    idle: Callable[[Recipe, Any], bool]
    why: str


def _set(section: BaseModel, name: str) -> bool:
    """Tell whether a key of a recipe's section has another value than its default."""
    return getattr(section, name) != type(section).model_fields[name].default


def _without_dropout(recipe: Recipe, chosen: Any) -> bool:
    acts = isinstance(chosen, Chosen) and chosen.method.dropout
    return recipe.lora is not None and _set(recipe.lora, "dropout") and not acts


def _of_loss(key: str, idle: Callable[[Any], bool], why: str) -> Idle:
    """Make the row of a key under `loss:` that counts where a recipe writes it; `idle` takes the choices."""
    return Idle(f"loss.{key}", lambda recipe, chosen: key in recipe.loss.hyper and idle(chosen), why)


ANY_IDLE = (
    Idle(
        "lora.dropout",
        _without_dropout,
        "it acts in sft alone: elsewhere two passes are compared, and both must see one policy",
    ),
    Idle(
        "data.retain_weight",
        lambda recipe, chosen: _set(recipe.data, "retain_weight") and not recipe.data.retain,
        "there is no data.retain",
    ),
    Idle(
        "data.retain_per_step",
        lambda recipe, chosen: _set(recipe.data, "retain_per_step") and not recipe.data.retain,
        "there is no data.retain",
    ),
    Idle(
        "data.ptx_weight",
        lambda recipe, chosen: _set(recipe.data, "ptx_weight") and not recipe.data.ptx,
        "there is no data.ptx",
    ),
    Idle(
        "health.rollbacks",
        lambda recipe, chosen: _set(recipe.health, "rollbacks") and recipe.health.action != "rollback",
        "health.action is not rollback",
    ),
    Idle(
        "health.rules",
        lambda recipe, chosen: bool(set(recipe.health.rules) & set(recipe.health.off)),
        "a rule that health.off names is not looked at",
    ),
)
OFFLINE_IDLE = (
    _of_loss("sft_on", lambda chosen: not chosen.options.get("sft_weight"), "loss.sft_weight is 0"),
    _of_loss(
        "divergence_alpha",
        lambda chosen: chosen.hyper.get("divergence") != "alpha",
        "loss.divergence is not alpha",
    ),
)
ONLINE_IDLE = (
    _of_loss("value_weight", lambda chosen: not chosen.needs_critic, "this credit asks no critic"),
    _of_loss("value_loss", lambda chosen: not chosen.needs_critic, "this credit asks no critic"),
    _of_loss("kl", lambda chosen: not chosen.needs_reference, "loss.kl_weight is 0"),
    _of_loss("kl_target", lambda chosen: not chosen.needs_reference, "loss.kl_weight is 0"),
    _of_loss(
        "kl_horizon",
        lambda chosen: not chosen.settings.kl_target,
        "there is no loss.kl_target to steer to",
    ),
    Idle(
        "online.target_kl",
        lambda recipe, chosen: (
            recipe.online.target_kl is not None
            and (recipe.online.epochs or chosen.method.epochs) * recipe.online.mini_batches == 1
        ),
        "a step has one update, and none is left to leave out",
    ),
    Idle(
        "online.resample",
        lambda recipe, chosen: (
            recipe.online.resample > 0 and (recipe.online.group_size or chosen.method.group_size) == 1
        ),
        "one response to a prompt cannot differ from others",
    ),
    Idle(
        "sampling.served_model",
        lambda recipe, chosen: recipe.sampling.served_model is not None and not recipe.sampling.served,
        "there are no sampling.servers",
    ),
    Idle(
        "sampling.wait",
        lambda recipe, chosen: _set(recipe.sampling, "wait") and not recipe.sampling.served,
        "there are no sampling.servers",
    ),
    Idle(
        "online.max_staleness",
        lambda recipe, chosen: bool(recipe.online.max_staleness) and not recipe.sampling.served,
        "there are no sampling.servers",
    ),
    Idle(
        "sampling.timeout",
        lambda recipe, chosen: _set(recipe.sampling, "timeout") and not recipe.sampling.served,
        "there are no sampling.servers",
    ),
)


def idle_settings(recipe: Recipe, chosen: "Chosen | ChosenOnline") -> Iterator[str]:
    """Yield a line for each setting of a recipe that does nothing under its method."""
    own = OFFLINE_IDLE if isinstance(chosen, Chosen) else ONLINE_IDLE
    for setting in (*ANY_IDLE, *own):
        if setting.idle(recipe, chosen):
            said = "{key} does nothing in this {method} run: {why}"
            yield message(said, key=setting.key, method=recipe.method, why=message(setting.why))


def require_used(recipe: Recipe, chosen: "Chosen | ChosenOnline") -> None:
    """Raise ConfigError for a reference or a critic that the chosen loss or credit does not ask for."""
    if recipe.reference and not chosen.needs_reference:
        why = message("loss.kl_weight is 0: the policy is held to none")
        if isinstance(chosen, Chosen):
            why = message("{loss} compares the policy with none", loss=chosen.name)
        raise _unused("reference", why)
    if isinstance(chosen, Chosen) or chosen.needs_critic or recipe.critic == CriticSection():
        return
    raise _unused("critic", message("{credit} asks no critic", credit=chosen.credit.name))


def _unused(key: str, why: Sentence) -> ConfigError:
    hint = message("leave {key} out, or choose what reads it under loss:", key=key)
    return ConfigError(message("{key} is not read: {why}", key=key, why=why), hint=hint)
