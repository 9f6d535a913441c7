"""The reference of rows on disk is kept in parts, and is that of rows in memory but for rounding."""

import pytest
import torch

from truing.data.packing import pack
from truing.models import parted
from truing.models.parted import PartedLogps
from truing.models.reference import Cached
from truing.runs.opening import open_run
from truing.runs.session import Session


def test_two_epochs_compare_with_the_same_log_probabilities(both, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(parted, "PART", 100)

    def begun(recipe) -> Session:
        return open_run(recipe)

    optim = {"items_per_step": 4, "epochs": 2}
    memory, disk = both(begun, method="dpo", optim=optim, data={"eval_fraction": 0.1})
    kept, in_parts = memory.objective.reference, disk.objective.reference
    assert isinstance(kept, Cached) and isinstance(in_parts, PartedLogps)
    items = [0, 150, 267, 99, 100]
    batch = pack([memory.train[item] for item in items], items)
    assert torch.allclose(kept(batch), in_parts(batch), atol=1e-5)
    assert len(list(in_parts.folder.iterdir())) == 3, "268 rows in parts of 100"
