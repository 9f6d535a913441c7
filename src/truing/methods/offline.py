"""The table of offline methods. To add one: a loss in `losses/`, a shape if none fits, a row here."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from truing.core.errors import ConfigError
from truing.losses.likelihood import LIKELIHOOD_LOSSES
from truing.losses.preference import PAIR_LOSSES
from truing.losses.reference_free import REFERENCE_FREE_LOSSES
from truing.losses.reward import RANKING_LOSSES, REGRESSION_LOSSES, REWARD_PAIR_LOSSES
from truing.losses.unpaired import UNPAIRED_LOSSES
from truing.methods.binding import Hyper, Loss, checked, closest, defaults_of, lookup, needs
from truing.methods.objectives import Reference
from truing.methods.shapes import DEMONSTRATION, PAIR, RANKING, SCORED, SCORED_PAIR, UNPAIRED, Shape
from truing.models.reward import RewardScorer
from truing.models.scoring import Scorer
from truing.train.step import Objective


@dataclass(frozen=True)
class OfflineMethod:
    """What tells one offline method from another."""

    name: str
    title: str
    tables: tuple[tuple[Shape, Mapping[str, Loss]], ...]
    loss: str  # the default one
    adapter_rate: float  # default learning rate with LoRA
    full_rate: float  # default learning rate of full training
    options: Mapping[str, Hyper] = field(default_factory=dict)  # of the objective, set under `loss:` too
    dropout: bool = False  # whether LoRA dropout may act; losses that compare two passes switch it off
    scores: bool = False  # trains a reward model: a backbone with a score head instead of a policy

    @property
    def losses(self) -> dict[str, Loss]:
        return {name: loss for _, table in self.tables for name, loss in table.items()}

    def shape_of(self, loss: str) -> Shape:
        return next(shape for shape, table in self.tables if loss in table)


PAIRS = ((PAIR, {**PAIR_LOSSES, **REFERENCE_FREE_LOSSES}),)
FREE = ((PAIR, REFERENCE_FREE_LOSSES),)
SINGLE = ((UNPAIRED, UNPAIRED_LOSSES),)
REWARDS = ((SCORED_PAIR, REWARD_PAIR_LOSSES), (RANKING, RANKING_LOSSES), (SCORED, REGRESSION_LOSSES))

OFFLINE = {
    method.name: method
    for method in (
        OfflineMethod(
            "sft",
            "supervised fine-tuning",
            ((DEMONSTRATION, LIKELIHOOD_LOSSES),),
            loss="nll",
            adapter_rate=2e-4,
            full_rate=2e-5,
            dropout=True,
        ),
        OfflineMethod(
            "dpo",
            "direct preference optimisation and its family",
            PAIRS,
            loss="dpo",
            adapter_rate=5e-5,
            full_rate=1e-6,
            options={"sft_weight": 0.0, "sft_on": "response", "ld_alpha": 1.0},
        ),
        OfflineMethod(
            "cpo",
            "contrastive preference optimisation",
            FREE,
            loss="cpo",
            adapter_rate=1e-5,
            full_rate=1e-6,
            options={"sft_weight": 1.0, "sft_on": "response"},
        ),
        OfflineMethod(
            "simpo",
            "simple preference optimisation",
            FREE,
            loss="simpo",
            adapter_rate=1e-5,
            full_rate=1e-6,
            options={"sft_weight": 0.0, "sft_on": "response"},
        ),
        OfflineMethod(
            "orpo",
            "odds-ratio preference optimisation",
            FREE,
            loss="orpo",
            adapter_rate=5e-5,
            full_rate=8e-6,
            options={"sft_weight": 1.0, "sft_on": "response"},
        ),
        OfflineMethod(
            "kto",
            "Kahneman-Tversky optimisation",
            SINGLE,
            loss="kto",
            adapter_rate=5e-5,
            full_rate=1e-6,
        ),
        OfflineMethod(
            "bco",
            "binary classifier optimisation",
            SINGLE,
            loss="bco",
            adapter_rate=5e-5,
            full_rate=1e-6,
        ),
        OfflineMethod(
            "reward",
            "reward model",
            REWARDS,
            loss="bradley_terry",
            adapter_rate=1e-4,
            full_rate=1e-5,
            scores=True,
        ),
    )
}


@dataclass(frozen=True)
class Chosen:
    """A method with the loss and the hyper-parameters a recipe asks for, all defaults filled in."""

    method: OfflineMethod
    shape: Shape
    loss: Loss
    hyper: dict[str, Hyper]
    options: dict[str, Hyper]

    @property
    def needs_reference(self) -> bool:
        return needs(self.loss, "ref")

    @property
    def needs_whole(self) -> bool:
        """Whether a step also scores prompts together with their chosen responses."""
        return self.options.get("sft_on") == "sequence" and bool(self.options["sft_weight"])

    @property
    def needs_mismatched(self) -> bool:
        """Whether a step also scores every prompt with the response to another."""
        return needs(self.loss, "kl")

    def objective(self, scorer: Scorer | RewardScorer, reference: Reference | None) -> Objective:
        return self.shape.bind(scorer, self.loss, self.hyper, reference=reference, options=self.options)


def choose(name: str, loss_name: str | None, hyper: Mapping[str, Hyper]) -> Chosen:
    """Look a recipe's method and loss up. Raises ConfigError naming what exists."""
    if name not in OFFLINE:
        known = sorted(OFFLINE)
        raise ConfigError(f"no method {name!r}; known: {', '.join(known)}{closest(name, known)}")
    method = OFFLINE[name]
    loss = lookup(method.losses, loss_name or method.loss, hyper, method.options)
    options = {key: checked(key, hyper.get(key, default), default) for key, default in method.options.items()}
    own = {key: value for key, value in hyper.items() if key not in method.options}
    shape = method.shape_of(loss_name or method.loss)
    return Chosen(method, shape, loss, {**defaults_of(loss), **own}, options)
