"""The frozen reference, at no cost where possible.

adapter off   the policy run once more without its LoRA adapter; nothing is stored
cached        log-probabilities of every item, computed once before training and kept on disk under
              a hash of the model's files, the tokens, the number format, the device and the code that
              scores; a second model is never held while training
"""

import hashlib
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import torch
import transformers
from peft import PeftModel
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from truing.core.errors import DivergedError
from truing.core.files import write_atomic
from truing.core.messages import message
from truing.data import packing
from truing.data.packing import PackedBatch
from truing.data.trees import Tree
from truing.kernels import logprobs
from truing.models.finite import fault_of
from truing.models.passes import passes_of, shared_numbers_of
from truing.models.roles import playing
from truing.models.scoring import Scorer
from truing.models.world import world

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
        """Return the states that predict the targets, [N, D]."""
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
    """A table of log-probabilities by item."""

    logps: dict[int, Tensor]  # item -> [n] f32, the scored tokens of its branches in order

    def __call__(self, batch: PackedBatch) -> Tensor:
        return torch.cat([self.logps[item] for item in batch.items]).to(batch.target.device)


class NoReferenceError(DivergedError):
    """The reference's log-probabilities of some trees are not finite.

    `items` are their places in the list of trees that is scored, and `looked` counts the trees that were
    scored alone. `held_out` tells whether the list is that of an evaluation.
    """

    def __init__(self, items: Sequence[int], looked: int, first: str) -> None:
        self.items, self.looked, self.first, self.held_out = list(items), looked, first, False
        texts = ", ".join(map(str, self.items[:8]))
        told = message("the log-probabilities of texts {texts} are not finite", texts=texts)
        super().__init__(
            message("{told}, first in {first}", told=told, first=first) if first else told,
            hint=message("the weights, or what the model makes of them, are no numbers: begin from others"),
        )


@torch.no_grad()
def score_all(
    scorer: Scorer,
    trees: Sequence[Tree],
    tokens_per_pass: int,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> dict[int, Tensor]:
    """Return the log-probabilities of every tree's scored tokens, by passes that only the trees decide.

    Raises NoReferenceError with the trees of the first pass that is not finite which are so alone.
    """

    def finite(batch: PackedBatch) -> Tensor:
        flat = scorer(batch).logps.cpu()
        if not torch.isfinite(flat).all():
            raise _not_finite(scorer, trees, batch)
        return flat

    return shared_numbers_of(dict(enumerate(trees)), scorer, tokens_per_pass, finite, on_progress)


def _not_finite(scorer: Scorer, trees: Sequence[Tree], batch: PackedBatch) -> NoReferenceError:
    """Score each tree of a pass alone, where one rank can do so; return the error that names the bad ones."""
    if scorer.sharded:
        return NoReferenceError(batch.items, len(batch.items), "")
    first = fault_of(scorer, lambda: scorer(batch))
    alone = [(i, passes_of({i: trees[i]}, scorer, len(trees[i]))[0]) for i in batch.items]
    bad = [item for item, one in alone if not torch.isfinite(scorer(one).logps).all()]
    return NoReferenceError(bad or batch.items, len(batch.items), first)


@cache
def code_of_scoring() -> str:
    """Return a hash of the code that computes log-probabilities, and of the libraries that it calls."""
    digest = hashlib.sha256(f"torch {torch.__version__}, transformers {transformers.__version__}".encode())
    rooms = sorted({Path(module).parent for module in (__file__, logprobs.__file__, packing.__file__)})
    for path in [path for room in rooms for path in sorted(room.glob("*.py"))]:
        digest.update(path.read_bytes())
    return digest.hexdigest()


def content_hash(trees: Sequence[Tree], *parts: str) -> str:
    """Return a name for these tokens under this model."""
    digest = hashlib.sha256("\n".join(parts).encode())
    for tree in trees:
        digest.update(
            repr((tuple(tree.prompt), [(tuple(b.tokens), tuple(b.scored)) for b in tree.branches])).encode()
        )
    return digest.hexdigest()


def cached(folder: Path, key: str, compute: Callable[[], dict[int, Tensor]]) -> Cached:
    """Read the cache file of `key` in `folder`; where there is no sound one, compute and write it first.

    All ranks compute where one of them finds no sound file.
    """
    path = folder / f"{key[:32]}.safetensors"
    known = _sound(path)
    found_by_all = all(world().gather(known is not None))
    if known is not None and found_by_all:
        return Cached(known)
    logps = {item: values.contiguous() for item, values in compute().items()}
    if world().main:
        tensors = {str(item): values for item, values in logps.items()}
        folder.mkdir(parents=True, exist_ok=True)
        write_atomic(path, save(tensors, {"sha256": sha256_of(tensors)}))
    return Cached(logps)


def _sound(path: Path) -> dict[int, Tensor] | None:
    """Read a cache file; None where there is none, or a damaged one, which is told."""
    try:
        return {int(item): values for item, values in read_tensors(path).items()}
    except FileNotFoundError:
        return None
    except SafetensorError as error:
        log.warning("%s is damaged and computed again: %s", path, error)
        return None


def sha256_of(tensors: dict[str, Tensor]) -> str:
    """Return a hash of the names, types, shapes and values of tensors."""
    return hashlib.sha256(save(tensors)).hexdigest()


def read_tensors(path: Path) -> dict[str, Tensor]:
    """Read the tensors of a cache file. Raises SafetensorError also for damage that safetensors misses."""
    with safe_open(path, "pt") as file:
        told = (file.metadata() or {}).get("sha256")
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a dict
    if sha256_of(tensors) != told:
        raise SafetensorError("its content is not what its sha256 says")
    return tensors
