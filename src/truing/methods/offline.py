"""The table of offline methods. To add one: a loss in `losses/`, an objective if none fits, a row here."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from truing.core.errors import ConfigError
from truing.core.records import Kind, Record
from truing.losses.likelihood import LIKELIHOOD_LOSSES
from truing.losses.preference import PAIR_LOSSES
from truing.methods.binding import Hyper, Loss, closest, defaults_of, lookup, needs, number
from truing.methods.objectives import LikelihoodObjective, PairObjective, Reference
from truing.models.scoring import Scorer
from truing.train.step import Objective


@dataclass(frozen=True)
class OfflineMethod:
    """What tells one offline method from another."""

    name: str
    title: str
    losses: Mapping[str, Loss]
    loss: str  # the default one
    teaches: Callable[[Record], Record | None]  # the part of a record it trains on, None if there is none
    wants: str  # what rows it needs, for messages
    adapter_rate: float  # default learning rate with LoRA
    full_rate: float  # default learning rate of full training
    dropout: bool  # whether LoRA dropout may act; preference losses compare two passes and switch it off
    extras: tuple[str, ...] = ()  # keys of `loss:` that belong to the objective, not the loss


def demonstration(record: Record) -> Record | None:
    """The best response alone; a response labelled undesirable teaches nothing here."""
    if record.kind is Kind.PROMPT or record.chosen.label is False:
        return None
    return replace(record, responses=(record.chosen,))


def pair(record: Record) -> Record | None:
    """The best against the worst response."""
    if record.kind not in (Kind.PREFERENCE, Kind.RANKING):
        return None
    return replace(record, responses=(record.chosen, record.rejected))


OFFLINE = {
    method.name: method
    for method in (
        OfflineMethod(
            name="sft",
            title="supervised fine-tuning",
            losses=LIKELIHOOD_LOSSES,
            loss="nll",
            teaches=demonstration,
            wants="a prompt with a response",
            adapter_rate=2e-4,
            full_rate=2e-5,
            dropout=True,
        ),
        OfflineMethod(
            name="dpo",
            title="direct preference optimisation",
            losses=PAIR_LOSSES,
            loss="dpo",
            teaches=pair,
            wants="a chosen and a rejected response",
            adapter_rate=5e-5,
            full_rate=1e-6,
            dropout=False,
            extras=("sft_weight",),
        ),
    )
}


@dataclass(frozen=True)
class Chosen:
    """A method with the loss and the hyper-parameters a recipe asks for, all defaults filled in."""

    method: OfflineMethod
    loss: Loss
    hyper: dict[str, Hyper]
    extras: dict[str, float]

    @property
    def needs_reference(self) -> bool:
        return needs(self.loss, "ref")

    def objective(self, scorer: Scorer, reference: Reference | None) -> Objective:
        if self.method.losses is LIKELIHOOD_LOSSES:
            return LikelihoodObjective(scorer, self.loss, self.hyper)
        return PairObjective(scorer, self.loss, self.hyper, reference, **self.extras)


def choose(name: str, loss_name: str | None, hyper: Mapping[str, Hyper]) -> Chosen:
    """Look a recipe's method and loss up. Raises ConfigError naming what exists."""
    if name not in OFFLINE:
        known = sorted(OFFLINE)
        raise ConfigError(f"no method {name!r}; known: {', '.join(known)}{closest(name, known)}")
    method = OFFLINE[name]
    loss = lookup(method.losses, loss_name or method.loss, hyper, method.extras)
    extras = {key: number(key, value) for key, value in hyper.items() if key in method.extras}
    own = {key: value for key, value in hyper.items() if key not in method.extras}
    return Chosen(method, loss, {**defaults_of(loss), **own}, extras)
