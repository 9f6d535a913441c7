"""The part of records that a method learns from, as trees; a function of the records alone.

Rows in memory are taught all at once, rows on disk a few at a time, perhaps in another process.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from truing.config.recipe import Recipe
from truing.core.doing import Show, doing
from truing.core.errors import ConfigError
from truing.core.messages import message
from truing.core.records import Record
from truing.data.chat import Renderer
from truing.data.differing import only_differing
from truing.data.limits import Rendered, render_all
from truing.data.notes import mask_counts
from truing.data.trees import Tree
from truing.methods.offline import Chosen
from truing.objectives.binding import needs
from truing.objectives.shapes import DEMONSTRATION, unpaired


@dataclass(frozen=True)
class Taught:
    """Trees of some records, and the count of every record that has none."""

    given: int  # records, before pairs became two
    parts: int  # records, after pairs became two
    taught: int  # of `parts`, those that the method can learn from
    kinds: frozenset[str]  # of the records
    rendered: Rendered
    trees: Sequence[Tree]  # those of `rendered`, with their labels and the tokens that carry loss
    masks: Counter[str] = field(default_factory=Counter)  # faults of the loss masks, by name

    @property
    def made(self) -> int:
        """Count the records that pairs added when they became two."""
        return self.parts - self.given


def teach(
    records: Sequence[Record], recipe: Recipe, chosen: Chosen, renderer: Renderer, show: Show = doing
) -> Taught:
    """Make the trees of records. Raises ConfigError for a probability that the loss does not read."""
    data, shape = recipe.data, chosen.shape
    parts = [part for record in records for part in unpaired(record)] if data.unpair else list(records)
    taught = [part for record in parts if (part := shape.teaches(record)) is not None]
    _require_soft(taught, chosen)
    rendered = render_all(taught, renderer, data.max_tokens, data.truncation, show)
    trees = list(map(shape.labelled, rendered.trees, rendered.records))
    if data.tokens == "differing":
        trees = [only_differing(tree) for tree in trees]
    masks = mask_counts(trees, renderer, everything=data.tokens == "all")
    kinds = frozenset(record.kind.value for record in parts)
    return Taught(len(records), len(parts), len(taught), kinds, rendered, trees, Counter(masks))


def _require_soft(records: Sequence[Record], chosen: Chosen) -> None:
    """Raise ConfigError where a row gives its label a probability that the loss would not read."""
    if chosen.soft or chosen.shape is DEMONSTRATION:  # which learns a response whatever is thought of another
        return
    unsure = [record for record in records if record.probability not in (None, 1)]
    if not unsure:
        return
    able = [name for name, loss in chosen.method.losses.items() if needs(loss, "probability")]
    elsewhere = message("learn from these rows with dpo or reward, or drop the column")
    said = "{place}: the row says chosen_probability {value:g}, and {loss} ({method}) reads no probability"
    raise ConfigError(
        message(
            said,
            place=unsure[0].place,
            value=unsure[0].probability,
            loss=chosen.name,
            method=chosen.method.name,
        ),
        hint=message("losses that do: {names}", names=", ".join(able)) if able else elsewhere,
    )
