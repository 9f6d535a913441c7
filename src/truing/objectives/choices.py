"""The choices of a recipe for online training: functions of its tables, bound to their hyper-parameters.

`methods/online.py` has the table of methods and makes a `ChosenOnline` from a recipe.
"""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from truing.objectives.binding import Hyper, arguments_of

NONE = "none"
CHOICES = {"kl_in": ("loss", "reward"), "uniform": ("keep", "drop")}


@dataclass(frozen=True, kw_only=True)
class Settings:
    """The keys under `loss:` that a recipe may set whatever functions it chooses."""

    kl_weight: float = 0.0  # of the first step
    kl_in: str = "loss"  # or reward
    kl_target: float = 0.0  # nats per token that the weight is steered to; 0 keeps it
    kl_horizon: float = 10_000.0  # responses
    entropy_weight: float = 0.0
    entropy_share: float = 1.0  # of the tokens, those of highest entropy: only they are learnt from
    uniform: str = "keep"  # or drop: prompts whose responses all have one reward
    whiten: bool = False  # advantages, over the step
    whiten_rewards: bool = False  # rewards per token, over the step, their mean kept
    value_weight: float = 0.1  # of the critic's loss


@dataclass(frozen=True)
class OnlineMethod:
    """One row of the table of online methods. All fields but the names are defaults of its recipes."""

    name: str
    title: str
    loss: str  # of POLICY_LOSSES
    credit: str  # of CREDITS
    aggregation: str  # of AGGREGATIONS
    group_size: int  # responses to a prompt
    kl: str  # of KL_ESTIMATORS
    settings: Settings
    epochs: int = 1  # how often a step goes through what it sampled
    adapter_rate: float = 1e-5
    full_rate: float = 1e-6

    @property
    def functions(self) -> dict[str, str]:
        """The functions a recipe may choose under `loss:` beside `name`, with the method's defaults."""
        return {
            "credit": self.credit,
            "aggregation": self.aggregation,
            "kl": self.kl,
            "value_loss": "clipped_value",
            "correction": NONE,
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
        """Call the function with those of `given` that it takes."""
        return self.function(**{key: given[key] for key in arguments_of(self.function)}, **self.hyper)


@dataclass(frozen=True)
class ChosenOnline:
    """A method with the functions and numbers a recipe asks for, all defaults filled in."""

    method: OnlineMethod
    loss: Bound
    credit: Bound
    aggregation: Bound
    unit: Any  # of training.step.Unit: what the weighted sum over tokens is divided by
    max_length: int  # the most tokens a response may have, for `fixed_length`
    kl: Bound
    value_loss: Bound | None  # None: the credit asks no critic
    correction: Bound | None  # of samplers that differ from the policy; None: taken as they are
    settings: Settings
    files: Mapping[str, str] = field(default_factory=dict)  # sha256 of the files of each `module:function`

    @property
    def needs_reference(self) -> bool:
        return self.settings.kl_weight > 0

    @property
    def needs_critic(self) -> bool:
        return self.value_loss is not None

    @property
    def needs_sampler(self) -> bool:
        """Tell whether the loss or its correction reads the log-probabilities that the sampler reported."""
        return self.correction is not None or self.loss.takes("sampler_logps")

    @property
    def described(self) -> dict[str, Any]:
        """Return every choice, as `config.json` records it."""
        parts = ("loss", "credit", "aggregation", "kl", "value_loss", "correction")
        bound = {part: one for part in parts if (one := getattr(self, part)) is not None}
        return {part: {"name": one.name, **one.hyper} for part, one in bound.items()} | asdict(self.settings)
