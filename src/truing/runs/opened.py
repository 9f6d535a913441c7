"""The common part of every session, offline or online: recipe, rows, scorer and learning rate."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar, cast

from truing.config.recipe import Recipe
from truing.core.messages import Say
from truing.data.kept import Rows
from truing.data.load import SourceReport
from truing.methods.offline import Chosen
from truing.models.precision import Precision
from truing.models.reward import RewardScorer
from truing.models.room import Overfull
from truing.models.scoring import Policy, Scorer, Trunk
from truing.objectives.choices import ChosenOnline
from truing.runs.inputs import inputs_of
from truing.training.plan import Plan
from truing.training.step import DivergedItems

AnyChosen = TypeVar("AnyChosen", bound=Chosen | ChosenOnline)
AnyScorer = TypeVar("AnyScorer", bound=Scorer | RewardScorer)


@dataclass(kw_only=True)
class OpenedRun(Generic[AnyChosen, AnyScorer]):
    """The fields that both kinds of session hold, and the values that follow from these fields alone."""

    recipe: Recipe
    chosen: AnyChosen
    tokenizer: Any
    rows: Rows
    places: Sequence[str]  # `file:line` of every item, retained rows or text last
    sources: list[SourceReport]  # every file that was read
    scorer: AnyScorer
    precision: Precision
    layout_reason: str
    say: Say = lambda line: None
    rate: float | None = field(default=None, init=False)  # that of `set_rate`

    @property
    def model(self) -> Policy:
        return cast(Policy, self.scorer.model)

    @property
    def trunks(self) -> Sequence[Trunk]:
        """Return all models that train."""
        return [self.scorer]

    @property
    def own_rate(self) -> float:
        """Return the learning rate of the recipe, or else of the method."""
        method = self.chosen.method
        default = method.adapter_rate if self.recipe.lora else method.full_rate
        return self.recipe.optim.learning_rate or default

    @property
    def learning_rate(self) -> float:
        """Return the peak of the schedule: `own_rate` until `set_rate` changes it."""
        return self.own_rate if self.rate is None else self.rate

    def set_rate(self, rate: float) -> None:
        self.rate = rate

    def inputs(self) -> dict[str, Any]:
        """Return what a resumed run must find unchanged beside its recipe; every file is read."""
        resolved = {
            **self.chosen.described,
            "learning_rate": self.learning_rate,
            "dtype": self.precision.name,
            "device": self.scorer.device.type,
            **({"loss_files": dict(self.chosen.files)} if self.chosen.files else {}),
        }
        return inputs_of(self.recipe, self.sources, resolved)

    @contextmanager
    def rows_named(self) -> Iterator[None]:
        """Make a step that diverges within this context name its rows by `file:line` instead of by item."""
        try:
            yield
        except (DivergedItems, Overfull) as error:
            raise error.at(self.places) from error


def plan_of(recipe: Recipe, items: int, retained: int = 0) -> Plan:
    """Return the plan that gives each step of a recipe its items."""
    optim, per_step = recipe.optim, recipe.data.retain_per_step
    return Plan(items, optim.items_per_step, optim.epochs, recipe.seed, optim.max_steps, retained, per_step)


def sources_of(*given: Rows | None) -> list[SourceReport]:
    """List every file that was read, once."""
    found = [source for rows in given if rows for source in rows.loaded.sources]
    return list({source.path: source for source in found}.values())
