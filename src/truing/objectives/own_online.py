"""Losses and credits of the user's own online: `module:function` under `loss.name` and `loss.credit`.

The signature is the schema, as for an offline loss (`own.py`). A loss names its arguments after methods of
`PolicySupplies` and returns one number per token, with a gradient to `logps`. A credit takes the arguments
of one row of `CREDIT_FORMS` and returns one advantage per response or per token. Both are tried on made-up
responses before a policy is opened.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from warnings import catch_warnings, simplefilter

import torch
from torch import Tensor

from truing.config.imports import load_function, told
from truing.config.lent import code_hash
from truing.core.errors import ConfigError
from truing.objectives.binding import arguments_of, defaults_of, names_of, pick
from truing.objectives.own import require_plain, require_supplied
from truing.objectives.policy_gradient import PolicyObjective

# The arguments of a credit, the rewards first: for one advantage per response, or for one per token.
CREDIT_FORMS = (("rewards", "group"), ("token_rewards", "response", "values"))
LENGTHS = (3, 1, 4, 2)  # tokens of the made-up responses
GROUP = (0, 0, 1, 1)


@dataclass(frozen=True)
class Own:
    """A function of the user's own, and the sha256 of the files behind it."""

    function: Callable[..., Any]
    sha256: str


def own_policy_loss(name: str, method: str, taken: Collection[str]) -> Own:
    """Load the policy loss that `module:function` names; `taken` are keys under `loss:` that it cannot have.

    Raises ConfigError where the loss asks for an argument that nothing supplies, fails on made-up responses,
    returns something other than one number per token with a gradient, or mixes tokens of several responses.
    """
    own = _found(name, f"{method} supplies", [names_of(PolicyObjective.supplies)], taken)
    given = _given(LENGTHS)
    together = _tried(name, own.function, given)
    _require_shape(name, together, len(given["logps"]), "token")
    if not together.requires_grad:
        raise ConfigError(f"{name} gives numbers without a gradient: they are to be made of logps, attached")
    starts = [sum(LENGTHS[:i]) for i in range(len(LENGTHS))]
    parts = [slice(start, start + length) for start, length in zip(starts, LENGTHS, strict=True)]
    alone = [_tried(name, own.function, _only(given, part)) for part in parts]
    if not torch.allclose(together, torch.cat(alone), rtol=1e-4, atol=1e-6, equal_nan=True):
        raise ConfigError(
            f"{name} gives a token another loss when other responses stand beside its own, and {method} "
            "shows a loss only a few responses of a step at once",
            hint="make it a function of the token's response alone; what compares responses is a credit",
        )
    return own


def own_credit(name: str, method: str, taken: Collection[str]) -> Own:
    """Load the credit that `module:function` names. Raises ConfigError as `own_policy_loss` does."""
    own = _found(name, f"to a credit {method} supplies", CREDIT_FORMS, taken)
    given = _given(LENGTHS)
    per_token = "token_rewards" in arguments_of(own.function)
    with torch.no_grad():
        found = _tried(name, own.function, given)
    _require_shape(name, found, *((sum(LENGTHS), "token") if per_token else (len(LENGTHS), "response")))
    return own


def _found(name: str, giver: str, forms: Sequence[Sequence[str]], taken: Collection[str]) -> Own:
    function = load_function(name)
    require_plain(name, function, taken)
    require_supplied(name, arguments_of(function), forms, giver)
    return Own(function, code_hash(name))


def _given(lengths: Sequence[int]) -> dict[str, Tensor]:
    """Make every argument for made-up responses of these lengths: [N] per token, [B] per response."""
    draw = torch.Generator().manual_seed(0)
    response = torch.arange(len(lengths)).repeat_interleave(torch.tensor(lengths))

    def numbers(count: int) -> Tensor:
        return torch.rand(count, generator=draw)

    per_token = ("logps", "old_logps", "sampler_logps", "advantages", "token_rewards", "values")
    found = {key: numbers(len(response)) for key in per_token}
    found |= {key: -3 * found[key] for key in per_token[:3]} | {"advantages": found["advantages"] - 0.5}
    found["logps"].requires_grad_()
    return {**found, "response": response, "rewards": numbers(len(lengths)), "group": torch.tensor(GROUP)}


def _only(given: Mapping[str, Tensor], part: slice) -> dict[str, Tensor]:
    """Cut the arguments down to one response, and number it 0."""
    per_token = {key: values[part] for key, values in given.items() if key not in ("rewards", "group")}
    return per_token | {"response": torch.zeros_like(per_token["response"])}


def _tried(name: str, function: Callable[..., Any], given: Mapping[str, Tensor]) -> Any:
    with torch.random.fork_rng(devices=[]), catch_warnings():
        simplefilter("ignore")  # such as of a standard deviation of one number
        try:
            return function(**pick(function, given), **defaults_of(function))
        except Exception as error:  # whatever the user's own code raises
            raise ConfigError(f"{name} fails on made-up responses: {told(error)}") from error


def _require_shape(name: str, found: object, count: int, unit: str) -> None:
    expected = f"expected one number per {unit}, a tensor of shape [{count}] and dtype float32"
    if not isinstance(found, Tensor):
        raise ConfigError(f"{name} gives a {type(found).__name__}: {expected}")
    if found.shape != (count,) or not found.is_floating_point():
        kind = str(found.dtype).removeprefix("torch.")
        raise ConfigError(f"{name} gives a tensor of shape {list(found.shape)} and dtype {kind}: {expected}")
