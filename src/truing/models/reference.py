"""The frozen reference, at no cost where possible.

adapter off   the policy without its LoRA adapter, run beside it; nothing is stored
cached        log-probabilities of every item, computed once before training and kept on disk under
              a hash of the model and the tokens; a second model is never held while training
"""

import hashlib
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from peft import PeftModel
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from truing.core.files import write_atomic
from truing.data.packing import PackedBatch
from truing.data.trees import Tree
from truing.models.roles import playing
from truing.models.room import run_passes
from truing.models.scoring import Scorer

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class AdapterOff:
    """The policy with its adapter switched off."""

    scorer: Scorer

    @torch.no_grad()
    def __call__(self, batch: PackedBatch) -> Tensor:
        with playing(self._model, None):
            return self.scorer(batch).logps

    @torch.no_grad()
    def states(self, batch: PackedBatch) -> Tensor:
        """The states that predict the targets, [N, D]."""
        with playing(self._model, None):
            return self.scorer.states(batch)

    @property
    def _model(self) -> PeftModel:
        assert isinstance(self.scorer.model, PeftModel), "only an adapter can be switched off"
        return self.scorer.model


@dataclass(frozen=True)
class Live:
    """A second model, held beside the policy."""

    scorer: Scorer

    @torch.no_grad()
    def __call__(self, batch: PackedBatch) -> Tensor:
        return self.scorer(batch).logps


@dataclass(frozen=True)
class Cached:
    """Log-probabilities looked up by item."""

    logps: dict[int, Tensor]  # item -> [n] f32, the scored tokens of its branches in order

    def __call__(self, batch: PackedBatch) -> Tensor:
        return torch.cat([self.logps[item] for item in batch.items]).to(batch.target.device)


@torch.no_grad()
def score_all(
    scorer: Scorer,
    trees: Sequence[Tree],
    tokens_per_pass: int,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> dict[int, Tensor]:
    """Log-probabilities of every tree's scored tokens, in passes that depend on the trees alone."""
    logps: dict[int, Tensor] = {}
    numbered = dict(enumerate(trees))
    for batch, flat in run_passes(numbered, scorer, tokens_per_pass, lambda b: scorer(b).logps.cpu()):
        sizes = [sum(branch.count for branch in trees[i].branches) for i in batch.items]
        logps.update(zip(batch.items, flat.split(sizes), strict=True))
        on_progress(len(logps), len(trees))
    return logps


def fingerprint(folder: Path) -> str:
    """Tells two sets of weights apart by name, size and time of change, without reading them."""
    facts = [(p.name, p.stat().st_size, p.stat().st_mtime_ns) for p in sorted(folder.glob("*.safetensors"))]
    return hashlib.sha256(repr(facts).encode()).hexdigest()


def content_hash(trees: Sequence[Tree], *parts: str) -> str:
    """A name for these tokens under this model."""
    digest = hashlib.sha256("\n".join(parts).encode())
    for tree in trees:
        digest.update(
            repr((tuple(tree.prompt), [(tuple(b.tokens), tuple(b.scored)) for b in tree.branches])).encode()
        )
    return digest.hexdigest()


def cached(folder: Path, key: str, compute: Callable[[], dict[int, Tensor]]) -> Cached:
    """What `folder` holds under `key`, computed and written there first when it holds nothing sound."""
    path = folder / f"{key[:32]}.safetensors"
    try:
        return Cached(_read(path))
    except FileNotFoundError:
        pass
    except SafetensorError as error:
        log.warning("%s is damaged and computed again: %s", path, error)
    logps = {item: values.contiguous() for item, values in compute().items()}
    tensors = {str(item): values for item, values in logps.items()}
    folder.mkdir(parents=True, exist_ok=True)
    write_atomic(path, save(tensors, {"sha256": _sha256(tensors)}))
    return Cached(logps)


def _sha256(tensors: dict[str, Tensor]) -> str:
    """Of names, types, shapes and values."""
    return hashlib.sha256(save(tensors)).hexdigest()


def _read(path: Path) -> dict[int, Tensor]:
    """The tensors of a cache file. Raises SafetensorError also where safetensors itself sees no damage."""
    with safe_open(path, "pt") as file:
        told = (file.metadata() or {}).get("sha256")
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a dict
    if _sha256(tensors) != told:
        raise SafetensorError("its content is not what its sha256 says")
    return {int(item): values for item, values in tensors.items()}
