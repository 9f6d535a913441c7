"""The reference of rows on disk: its log-probabilities in parts, computed once and kept."""

import hashlib
from collections.abc import Callable, Sequence

import torch

from truing.core.doing import doing
from truing.core.messages import message
from truing.core.places import cache_folder
from truing.data.stored import Stored
from truing.data.trees import Tree
from truing.models.contents import file_hash
from truing.models.parted import PartedLogps, parted
from truing.models.reference import NoReferenceError, score_all
from truing.models.scoring import Scorer


def stored_reference(
    trees: Stored[Tree], facts: Sequence[str], open_scorer: Callable[[], Scorer], tokens_per_pass: int
) -> PartedLogps:
    """Return the reference of trees on disk, whose parts are computed where they are not kept.

    `facts` are all that the numbers follow from beside the trees; the model is opened if a part is missing.
    """
    opened: list[Scorer] = []
    chosen = hashlib.sha256(b"" if trees.chosen is None else trees.chosen.tobytes()).hexdigest()
    key = hashlib.sha256("\n".join((file_hash(trees.rows.path), chosen, *facts)).encode()).hexdigest()
    with doing(message("reference log-probabilities"), len(trees)) as tick:

        def compute(items: range) -> dict[int, torch.Tensor]:
            if not opened:
                opened.append(open_scorer())
            some = [trees[item] for item in items]
            try:
                return score_all(
                    opened[0], some, tokens_per_pass, lambda done, total: tick(items.start + done)
                )
            except NoReferenceError as error:
                error.items = [items.start + item for item in error.items]
                raise

        return parted(cache_folder() / "reference", key, len(trees), compute)
