"""Decoders, which read and continue a batch: the model's own forward, or the lean one where both agree.

A decoder reads prompts into a `Reading`, which is then extended token by token. To add one, write `read`
and a class like `PlainReading`, and choose it in `open_decoder`.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol, cast

import psutil
import torch
from torch import Tensor
from transformers import Cache, PreTrainedModel

from truing.kernels import onednn
from truing.kernels.families import is_recurrent, positions_of
from truing.models.scoring import unwrapped
from truing.sampling.kv import growing_cache
from truing.sampling.lean import LeanDecoder
from truing.sampling.structure import Structure, Unreadable, read_structure

if TYPE_CHECKING:
    from peft import PeftModel

# Mean difference of logits, relative to their spread. In a model of 30 layers rounding alone makes 4e-6 in
# float32 and 0.04 in bfloat16; a multiplier of 1.1 makes 0.3, no positions in every fourth layer 0.4.
TOLERANCE = {torch.float32: 1e-4, torch.bfloat16: 0.1}


class Reading(Protocol):
    """The state of B rows after the tokens they have read so far."""

    logits: Tensor  # [B, V], of the token to come

    def extend(self, tokens: Tensor) -> None:
        """Add one token to each row, [B] i64."""
        ...

    def keep(self, index: Sequence[int]) -> None:
        """Keep the rows of `index`: row i becomes the old row index[i], and the others leave."""
        ...


class Decoder(Protocol):
    def read(self, prompts: Sequence[Sequence[int]], siblings: int, room: int) -> Reading:
        """Read each prompt once for `siblings` neighbouring rows of at most `room` more tokens each."""
        ...


@dataclass(frozen=True)
class PlainDecoder:
    """Any transformers causal LM through its own forward, on whatever device it is on."""

    model: "PreTrainedModel | PeftModel"

    def read(self, prompts: Sequence[Sequence[int]], siblings: int, room: int) -> "PlainReading":
        device, longest = self.model.device, max(map(len, prompts))
        ids = torch.zeros(len(prompts), longest, dtype=torch.long)
        mask = torch.zeros(len(prompts), longest + room, dtype=torch.long)
        for row, prompt in enumerate(prompts):
            ids[row, longest - len(prompt) :] = torch.as_tensor(prompt)
            mask[row, longest - len(prompt) :] = 1
        reading = PlainReading(self.model, growing_cache(self.model.config), mask.to(device))
        reading.take(ids.to(device), (mask[:, :longest].cumsum(-1) - 1).clamp(min=0).to(device))
        if siblings > 1:
            reading.keep([prompt for prompt in range(len(prompts)) for _ in range(siblings)])
        return reading


class PlainReading:
    """Rows under way. Columns are left-padded: all rows end at column `length`."""

    logits: Tensor
    positions: Tensor  # [B, 1] i64, of the newest token

    def __init__(self, model: "PreTrainedModel | PeftModel", cache: Cache, mask: Tensor) -> None:
        self.model = model
        self.cache = cache
        self.mask = mask  # [B, T] i64, 1 on tokens and with room for what follows; padding is only in front
        self.length = 0
        self.recurrent = is_recurrent(unwrapped(model))
        context = context_of(model)
        self._last = None if context is None else context - 1

    def extend(self, tokens: Tensor) -> None:
        # Ended rows may be carried along; learned positions end where the context does.
        next_ = self.positions + 1
        self.take(tokens[:, None], next_ if self._last is None else next_.clamp(max=self._last))

    def keep(self, index: Sequence[int]) -> None:
        rows = torch.tensor(index, device=self.mask.device)
        self.cache.reorder_cache(cast(torch.LongTensor, rows))
        self.logits, self.mask, self.positions = self.logits[rows], self.mask[rows], self.positions[rows]

    def take(self, ids: Tensor, positions: Tensor) -> None:
        """Read further tokens: ids and positions [B, S]."""
        begun, self.length = self.length > 0, self.length + ids.shape[1]
        # A recurrent model keeps its past in its state alone, and takes a mask for the new tokens only.
        unmasked = begun and self.recurrent
        output = self.model(
            input_ids=ids,
            attention_mask=None if unmasked else self.mask[:, : self.length],
            position_ids=positions,
            use_cache=True,
            logits_to_keep=1,
            **{"cache_params" if self.recurrent else "past_key_values": self.cache},
        )
        self.logits, self.positions = output.logits[:, -1], positions[:, -1:]


def context_of(model: "PreTrainedModel | PeftModel") -> int | None:
    """Return the number of positions that a model has; None where it is unlimited."""
    return positions_of(model.config.get_text_config(decoder=True))


@dataclass(frozen=True)
class Opened:
    decoder: Decoder
    reason: str  # why this one
    settled: bool = False  # another look would find the same

    def rest(self) -> None:
        """Free memory; `open_decoder` makes the decoder ready again."""
        if isinstance(self.decoder, LeanDecoder):
            self.decoder.rest()


@torch.inference_mode()
def open_decoder(
    model: "PreTrainedModel | PeftModel", before: Opened | None = None, *, changed: bool = False
) -> Opened:
    """Open the fastest decoder that gives this model's logits as they are now.

    `before` was opened for the same model last: decoders compared then are not compared again. `changed` says
    that trainable weights may have changed even where torch does not know of it.
    """
    plain = PlainDecoder(model)
    try:
        structure = read_structure(model)
        _require_kernels(structure)
    except Unreadable as error:
        return Opened(plain, str(error))
    if before is not None and before.settled:
        if isinstance(before.decoder, LeanDecoder):
            packs = before.decoder.packs
            return replace(before, decoder=LeanDecoder(structure, packs.frozen() if changed else packs))
        return before
    if psutil.virtual_memory().available < 4 * structure.nbytes:
        return Opened(
            plain, "a second copy of the weights would take over a quarter of the free memory", True
        )
    lean = LeanDecoder(structure)
    gap = difference(lean, plain, len(structure.embedding))
    if not gap <= TOLERANCE[structure.embedding.dtype]:
        return Opened(plain, f"it computes something of its own: lean logits differ by {gap:.2g}", True)
    return Opened(lean, f"lean logits agree to {gap:.1g}", True)


def _require_kernels(structure: Structure) -> None:
    device, dtype = structure.embedding.device, structure.embedding.dtype
    if device.type != "cpu":
        raise Unreadable(f"the model is on {device}")
    if torch.is_autocast_enabled("cpu"):
        raise Unreadable("autocast is on")
    if dtype not in TOLERANCE or not onednn.AVAILABLE:
        raise Unreadable(f"oneDNN does not multiply {dtype} here")
    if dtype is torch.bfloat16 and not onednn.multiplies_bfloat16():
        raise Unreadable("this processor has no instructions for bfloat16")


@torch.inference_mode()
def difference(one: Decoder, other: Decoder, vocabulary: int) -> float:
    """Return the mean difference of two decoders' logits, relative to the spread of the second's.

    The decoders read three random prompts with siblings, go on for three tokens, and some rows leave; only a
    correct decoder agrees throughout.
    """
    generator = torch.Generator().manual_seed(0)

    def tokens(count: int) -> Tensor:
        return torch.randint(vocabulary, (count,), generator=generator)

    prompts = [tokens(count).tolist() for count in (9, 2, 6)]
    ours, theirs = (decoder.read(prompts, 2, 4) for decoder in (one, other))
    gaps = [_gap(ours, theirs)]
    for index in (None, [0, 3, 1], None):
        if index is not None:
            ours.keep(index)
            theirs.keep(index)
        following = tokens(len(ours.logits))
        ours.extend(following)
        theirs.extend(following)
        gaps.append(_gap(ours, theirs))
    return sum(gaps) / len(gaps)


def _gap(ours: Reading, theirs: Reading) -> float:
    expected = theirs.logits.float()
    return float((ours.logits.float() - expected).abs().mean() / expected.std())
