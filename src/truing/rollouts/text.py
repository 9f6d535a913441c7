"""Text whose likelihood online training keeps up beside the reward: the rows of `data.ptx`."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from truing.data.packing import PackedBatch
from truing.data.trees import Tree
from truing.models.passes import passes_of
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
        """`count` rows, keyed by (seed, step, update); all of them where there are fewer."""
        key = [self.seed, 2**36 + step * 2**16 + update]
        order = np.random.Generator(np.random.Philox(key=key)).permutation(len(self.trees))
        drawn = {self.first + i: self.trees[i] for i in order[:count].tolist()}
        return passes_of(drawn, self.scorer, self.tokens_per_pass, "ptx")
