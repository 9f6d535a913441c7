"""The table of offline methods. To add one: a loss in `losses/`, a shape if none fits, a row here."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from truing.config.imports import is_import
from truing.config.names import require_method
from truing.core.errors import ConfigError
from truing.losses.likelihood import LIKELIHOOD_LOSSES
from truing.losses.preference import COUPLED_PAIR_LOSSES, PAIR_LOSSES
from truing.losses.reference_free import REFERENCE_FREE_LOSSES
from truing.losses.reward import RANKING_LOSSES, REGRESSION_LOSSES, REWARD_PAIR_LOSSES
from truing.losses.unpaired import COUPLED_UNPAIRED_LOSSES, UNPAIRED_LOSSES
from truing.models.reward import RewardScorer
from truing.models.scoring import Scorer
from truing.objectives.binding import Hyper, Loss, checked, filled, lookup, needs
from truing.objectives.mixing import Part, mixture
from truing.objectives.offline import LossRequest, Reference
from truing.objectives.own import find_own
from truing.objectives.probe import is_coupled
from truing.objectives.shapes import DEMONSTRATION, PAIR, RANKING, SCORED, SCORED_PAIR, UNPAIRED, Shape
from truing.training.step import Objective


@dataclass(frozen=True)
class OfflineMethod:
    """One row of the table of offline methods."""

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


COUPLED = COUPLED_PAIR_LOSSES | COUPLED_UNPAIRED_LOSSES
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
    name: str  # of the loss: as the recipe has it, or of a mix all parts and their weights
    loss: Loss
    hyper: dict[str, Hyper]
    options: dict[str, Hyper]
    coupled: bool = False  # whether the loss of an item depends on the others of its step
    soft: bool = False  # whether the loss reads the probability that a row gives its label
    files: Mapping[str, str] = field(default_factory=dict)  # sha256 of the file of each `module:function`

    @property
    def described(self) -> dict[str, Any]:
        """Return every choice, as `config.json` records it."""
        return {"loss": self.name, "hyper": self.hyper | self.options}

    @property
    def needs_reference(self) -> bool:
        return needs(self.loss, "ref") or self.needs_mismatched

    @property
    def needs_whole(self) -> bool:
        """Tell whether a step also scores each prompt and its chosen response as one text."""
        return self.options.get("sft_on") == "sequence" and bool(self.options["sft_weight"])

    @property
    def needs_mismatched(self) -> bool:
        """Tell whether a step also scores every prompt with the response to another prompt."""
        return needs(self.loss, "kl")

    def objective(self, scorer: Scorer | RewardScorer, reference: Reference | None) -> Objective:
        asked = LossRequest(scorer, self.loss, self.hyper, reference, self.coupled, self.options)
        return self.shape.objective.of(asked)


def choose(name: str, loss: str | Mapping[str, float] | None, hyper: Mapping[str, Hyper]) -> Chosen:
    """Look up a recipe's method and loss; several losses with weights make a mix.

    Raises ConfigError that lists the known names.
    """
    require_method(name, OFFLINE)
    method = OFFLINE[name]
    weights = loss if isinstance(loss, Mapping) else {loss or method.loss: 1.0}
    parts = [_part(method, key, weight) for key, weight in sorted(weights.items())]
    shape = _common(parts)
    mixed = mixture(parts) if isinstance(loss, Mapping) else None
    bound, title = (mixed, mixed.name) if mixed else (parts[0].loss, parts[0].name)
    own = filled(title, bound, hyper, method.options)
    coupled = [_coupled(method, part, shape, own) for part in parts]
    return Chosen(
        method,
        shape,
        title,
        bound,
        own,
        {key: checked(key, hyper.get(key, default), default) for key, default in method.options.items()},
        coupled=any(coupled),
        soft=all(needs(part.loss, "probability") for part in parts),
        files={part.name: part.sha256 for part in parts if part.sha256},
    )


def _part(method: OfflineMethod, name: str, weight: float) -> Part:
    if is_import(name):
        shapes = [shape for shape, _ in method.tables]
        return find_own(name, weight, method.name, shapes, method.options)
    loss = lookup(method.losses, name, method.name)
    return Part(name, loss, (method.shape_of(name),), weight)


def _common(parts: Sequence[Part]) -> Shape:
    """Return the first shape that suits all parts."""
    for shape in parts[0].shapes:
        if all(any(shape is other for other in part.shapes) for part in parts):
            return shape
    learnt = ", ".join(f"{part.name} from {part.shapes[0].wants}" for part in parts)
    raise ConfigError(f"losses of different shapes cannot be mixed: {learnt}")


def _coupled(method: OfflineMethod, part: Part, shape: Shape, hyper: Mapping[str, Hyper]) -> bool:
    if not is_import(part.name):
        return part.name in COUPLED
    found = is_coupled(part, shape, part.term.hyper(hyper))
    if found and not shape.objective.couples:
        raise ConfigError(
            f"{part.name} gives an item another loss when others stand beside it, and {method.name} "
            "shows a loss only a few items of a step at once",
            hint="make the loss of each item a function of that item alone",
        )
    return found
