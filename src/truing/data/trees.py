"""A record as token ids: one prompt, and the branches that continue it.

SFT and KTO have one branch, a preference pair two (chosen first), a ranking K, a GRPO group G.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, slots=True)
class Branch:
    """One response as token ids, with a mask of those that carry loss."""

    tokens: Sequence[int]
    scored: Sequence[bool]  # as long as tokens; False on template markup and later user turns

    def __post_init__(self) -> None:
        if len(self.tokens) != len(self.scored):
            raise ValueError(f"{len(self.tokens)} tokens but {len(self.scored)} marks of what is scored")
        if not any(self.scored):
            raise ValueError("no token of this response carries loss")

    def __len__(self) -> int:
        return len(self.tokens)

    @property
    def count(self) -> int:
        """Count the tokens that carry loss."""
        return int(np.count_nonzero(self.scored))


@dataclass(frozen=True, slots=True)
class Tree:
    """One prompt and its branches. The prompt is never empty: its last state predicts the first token.

    `labels` holds the row's opinion on each branch, in the terms of the method: 1 for a desirable response
    and 0 for another, a rank, a score, a margin; empty without an opinion.
    """

    prompt: Sequence[int]
    branches: tuple[Branch, ...]
    labels: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        if not self.prompt:
            raise ValueError("a tree needs at least one prompt token")
        if self.labels and len(self.labels) != len(self.branches):
            raise ValueError(f"{len(self.branches)} branches but {len(self.labels)} labels")

    def __len__(self) -> int:
        return len(self.prompt) + sum(map(len, self.branches))

    @property
    def longest(self) -> int:
        """Count the tokens from the root to the end of the longest branch; these must fit the context."""
        return len(self.prompt) + max(map(len, self.branches), default=0)
