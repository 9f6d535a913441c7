"""Text whose likelihood online training keeps up beside the reward: the rows of `data.ptx`."""

from collections.abc import Sequence
from dataclasses import dataclass

from truing.core.streams import Stream, generator, within
from truing.data.packing import PackedBatch
from truing.data.trees import Tree
from truing.models.passes import evened, passes_of, share_of
from truing.models.scoring import Scorer


@dataclass(frozen=True)
class Text:
    """Rows of one response each, drawn anew for every update."""

    trees: Sequence[Tree]
    first: int  # the number of the first of them among all rows of the run
    scorer: Scorer
    tokens_per_pass: int
    seed: int

    def passes(self, step: int, update: int, count: int) -> list[PackedBatch]:
        """Make this rank's passes of `count` rows drawn by (seed, step, update); of all where fewer exist."""
        order = generator(self.seed, Stream.TEXT, within(step, update)).permutation(len(self.trees))
        drawn = {self.first + i: self.trees[i] for i in order[:count].tolist()}
        own = share_of(drawn, self.scorer.layout)
        return evened(passes_of(own, self.scorer, self.tokens_per_pass, "ptx"), drawn, self.scorer, "ptx")
