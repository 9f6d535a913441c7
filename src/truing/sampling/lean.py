"""One forward pass of a Llama-like decoder on a CPU, reduced to the operations that sampling needs.

For each call of the sampler the weights are laid out anew, so none is ever stale: queries, keys and values
in one matrix, all in oneDNN's own order, adapters as further columns ([W | sB] on [x | xA']), which rounds
no weight. Activation, gate and residual are part of the products. Prompts are read end to end without
padding, and a beginning that neighbours share is read once. Left out on purpose: other devices, autocast,
sliding windows; for these the model's own forward serves.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import embedding, pad, rms_norm, silu

from truing.data.packing import pack
from truing.data.trees import Tree
from truing.kernels.attention_cpu import trees_on_cpu
from truing.kernels.onednn import laid_out, linear, linear_with
from truing.kernels.products import AVX2_ALONE
from truing.sampling.shared import SharedCache
from truing.sampling.structure import Block, Linear, Norm, Structure

CHUNK = 1024  # prompt tokens read at a time: few enough that what passes between products stays in cache
ROUND = 64  # rows of a product while reading are a multiple: oneDNN builds a kernel for every count
ROWS = 32  # rows that the weights are laid out for; others work too
MANY = 256  # rows of an activation that no longer stays in cache


@dataclass(frozen=True)
class Packed:
    """Weights in oneDNN's own order. It holds the originals, so that no other tensor takes their address."""

    weights: tuple[Tensor, ...]
    packed: Tensor  # [out, in], of several joined along `out`; readable by oneDNN's products alone


class Packs:
    """The packed weights of a decoder; those that have not changed are taken over from `before`."""

    def __init__(self, before: "Packs | None" = None) -> None:
        self._before = {} if before is None else before._kept
        self._kept: dict[tuple[tuple[int, int, int], ...], Packed] = {}

    def __call__(self, *weights: Tensor) -> Tensor:
        key = tuple((id(weight), weight.data_ptr(), _version(weight)) for weight in weights)
        found = self._before.get(key)
        if found is None:
            joined = weights[0].detach() if len(weights) == 1 else torch.cat(weights)
            found = Packed(weights, laid_out(joined, ROWS))
        self._kept[key] = found
        return found.packed

    def sealed(self) -> "Packs":
        """Drop the weights of `before` that were not asked for again, and return self."""
        self._before = {}
        return self

    def frozen(self) -> "Packs":
        """Return a copy without the weights that are trained."""
        packs = Packs()
        for key, entry in self._kept.items():
            if not any(weight.requires_grad for weight in entry.weights):
                packs._kept[key] = entry
        return packs


def _version(weight: Tensor) -> int:
    return 0 if weight.is_inference() else weight._version


class Products:
    """Linear layers that read the same input, `joined` into one product or side by side, with adapters."""

    def __init__(self, layers: Sequence[Linear], packs: Packs, *, joined: bool = False) -> None:
        weights, biases = [layer.weight for layer in layers], [layer.bias for layer in layers]
        ups, self.a = _adapters(layers)
        if joined:
            self.weights, self.biases = [packs(*weights)], [_joined_bias(weights, biases)]
            self.ups = [] if self.a is None else [torch.cat(ups)]
        else:
            self.weights, self.biases = [packs(weight) for weight in weights], biases
            self.ups = ups

    def low(self, x: Tensor) -> Tensor | None:
        """Multiply x [n, in] by the A matrices of all adapters here, [n, R]."""
        return None if self.a is None else _product(x, self.a)

    def __call__(self, x: Tensor, low: Tensor | None, place: int = 0, *, add: Tensor | None = None) -> Tensor:
        """Return one of the products [n, out], or its sum with `add`."""
        if low is not None:
            add = _product(low, self.ups[place], add=add)
        return _product(x, self.weights[place], self.biases[place], add=add)

    def gated(self, x: Tensor) -> Tensor:
        """Return silu of the first product times the second."""
        low = self.low(x)
        if low is not None:
            return silu(self(x, low, 0), inplace=True).mul_(self(x, low, 1))
        if not AVX2_ALONE:
            gate = linear(x, self.weights[0], self.biases[0], "swish")
            return linear_with(gate, x, self.weights[1], self.biases[1], "mul")
        # There oneDNN's silu takes longer than another pass over memory, and so does its gate of many rows.
        gate = silu(_product(x, self.weights[0], self.biases[0]), inplace=True)
        if len(x) > MANY:
            return gate.mul_(_product(x, self.weights[1], self.biases[1]))
        return linear_with(gate, x, self.weights[1], self.biases[1], "mul")


def _product(x: Tensor, weight: Tensor, bias: Tensor | None = None, *, add: Tensor | None = None) -> Tensor:
    """Return `x W' + b`, plus `add` [n, out] where it is given. Weights may be packed."""
    return linear(x, weight, bias) if add is None else linear_with(add, x, weight, bias)


def _adapters(layers: Sequence[Linear]) -> tuple[list[Tensor], Tensor | None]:
    """Return each layer's B [out, R], scaled, with zeros for other layers' adapters, and all A's [R, in]."""
    adapters = [(place, adapter) for place, layer in enumerate(layers) for adapter in layer.adapters]
    if not adapters:
        return [], None
    dtype = layers[0].weight.dtype
    ups = [
        torch.cat(
            [
                (adapter.b.float() * adapter.scale).to(dtype)
                if at == place
                else layer.weight.new_zeros(len(layer.weight), len(adapter.a))
                for at, adapter in adapters
            ],
            1,
        )
        for place, layer in enumerate(layers)
    ]
    return ups, torch.cat([adapter.a for _, adapter in adapters]).to(dtype)


def _joined_bias(weights: Sequence[Tensor], biases: Sequence[Tensor | None]) -> Tensor | None:
    if all(bias is None for bias in biases):
        return None
    pairs = zip(weights, biases, strict=True)
    return torch.cat([weight.new_zeros(len(weight)) if bias is None else bias for weight, bias in pairs])


class LeanBlock:
    """One layer of the model with its weights laid out."""

    def __init__(self, block: Block, packs: Packs) -> None:
        self.block = block
        self.attention = Products([block.query, block.key, block.value], packs, joined=True)
        self.output = Products([block.output], packs)
        self.gates = Products([block.gate, block.up], packs)
        self.down = Products([block.down], packs)

    def heads(self, x: Tensor, head_dim: int) -> Tensor:
        """Map states [n, hidden] to queries, keys and values [n, H + 2K, D], not yet rotated."""
        normed = _normed(x, self.block.before_attention)
        return self.attention(normed, self.attention.low(normed)).view(len(x), -1, head_dim)

    def rest(self, x: Tensor, mixed: Tensor) -> Tensor:
        """Do the work after attention: project `mixed` [n, H * D], add it to x, and add the gated product."""
        x = self.output(mixed, self.output.low(mixed), add=x)
        inner = self.gates.gated(_normed(x, self.block.before_mlp))
        return self.down(inner, self.down.low(inner), add=x)


def _normed(x: Tensor, norm: Norm) -> Tensor:
    return rms_norm(x, norm.weight.shape, norm.weight, norm.eps)


@dataclass(frozen=True)
class Rotations:
    """Rotary positions: cosines and sines [n, 1, D], the sines negative in their first half."""

    cos: Tensor
    sin: Tensor

    def __getitem__(self, positions: Tensor) -> "Rotations":
        return Rotations(self.cos[positions], self.sin[positions])

    def apply_(self, heads: Tensor) -> None:
        """Rotate [n, h, D] in place."""
        swapped = heads.roll(heads.shape[-1] // 2, -1)
        heads.mul_(self.cos).addcmul_(swapped, self.sin)


class LeanDecoder:
    """A model laid out as it is now; weights that have not changed since `before` are not packed again."""

    def __init__(self, structure: Structure, before: Packs | None = None) -> None:
        packs = Packs(before)
        self.structure = structure
        self.blocks = [LeanBlock(block, packs) for block in structure.blocks]
        self.head = packs(structure.head.weight)
        self.packs = packs.sealed()
        self.keys = structure.heads // structure.shared

    def rest(self) -> None:
        """Free the laid-out weights, a second copy; the decoder cannot read afterwards."""
        self.blocks, self.packs = [], Packs()
        del self.head

    def read(self, prompts: Sequence[Sequence[int]], siblings: int, room: int) -> "LeanReading":
        """Read each prompt once for `siblings` rows of at most `room` more tokens each."""
        structure = self.structure
        cache = SharedCache(
            [len(prompt) for prompt in prompts],
            siblings,
            layers=len(self.blocks),
            keys=self.keys,
            dim=structure.head_dim,
            dtype=structure.embedding.dtype,
        )
        turns = self._turns(max(map(len, prompts)) + room)
        ends = [self._read_chunk(prompts[chunk], chunk, cache, turns) for chunk in _chunks(prompts)]
        logits = self.logits(torch.cat(ends)).repeat_interleave(siblings, 0)
        positions = torch.tensor([len(prompts[prompt]) for prompt in cache.origin])
        return LeanReading(self, cache, turns, logits, positions)

    def _turns(self, count: int) -> Rotations:
        structure = self.structure
        cos, sin = structure.rotary(structure.embedding[:1], torch.arange(count)[None])
        half = structure.head_dim // 2
        sign = torch.ones_like(sin[0, 0])
        sign[:half] = -1
        return Rotations(cos[0, :, None], (sin[0] * sign)[:, None])

    def turned(self, block: LeanBlock, x: Tensor, turns: Rotations) -> tuple[Tensor, Tensor, Tensor]:
        """Return rotated queries [n, H, D] and keys, and values, [n, K, D], of states [n, hidden]."""
        heads = self.structure.heads
        together = block.heads(x, self.structure.head_dim)
        query, key, value = together.split([heads, self.keys, self.keys], 1)
        for part, norm in ((query, block.block.query_norm), (key, block.block.key_norm)):
            if norm is not None:
                part.copy_(_normed(part, norm))
        turns.apply_(together[:, : heads + self.keys])
        return query, key, value

    def _read_chunk(
        self, prompts: Sequence[Sequence[int]], places: slice, cache: SharedCache, turns: Rotations
    ) -> Tensor:
        """Read some prompts into the cache; return the states [P, hidden] after their last tokens."""
        batch = pack([Tree(prompt, ()) for prompt in prompts])
        assert batch.spans is not None
        count, root = batch.tokens.shape[1], batch.spans[0].root
        starts, ends = torch.tensor([(span.start, span.end) for span in batch.spans]).unbind(1)
        column = torch.arange(cache.width)
        own = torch.minimum(starts[:, None] - root + column, ends[:, None] - 1)
        slots = torch.where(column < root, column, own).flatten()
        last = torch.where(ends > starts, ends - 1, root - 1)
        spare = -count % ROUND
        x = embedding(pad(batch.tokens[0], (0, spare)), self.structure.embedding)
        turns = turns[pad(batch.positions[0], (0, spare))]
        for layer, block in enumerate(self.blocks):
            query, key, value = self.turned(block, x, turns)
            cache.fill(layer, places, slots, key, value)
            parts = (part[:count].transpose(0, 1)[None] for part in (query, key, value))
            mixed = trees_on_cpu(*parts, batch.spans, self.structure.scale, None)[0].transpose(0, 1)
            mixed = pad(mixed.reshape(count, -1), (0, 0, 0, spare))
            if layer == len(self.blocks) - 1:
                x, mixed = x[last], mixed[last]
            x = block.rest(x, mixed)
        return x

    def logits(self, states: Tensor) -> Tensor:
        """Map states [n, hidden] to logits [n, V], in the dtype of the model."""
        head = self.structure.head
        normed = _normed(states, self.structure.norm)
        logits = _product(normed, self.head, head.bias)
        if head.scale != 1:
            logits = logits * head.scale
        return head.cap * torch.tanh(logits / head.cap) if head.cap else logits


class LeanReading:
    """Rows under way, as `decode.Reading`."""

    def __init__(
        self, decoder: LeanDecoder, cache: SharedCache, turns: Rotations, logits: Tensor, positions: Tensor
    ) -> None:
        self.decoder = decoder
        self.cache = cache
        self.turns = turns
        self.logits = logits  # [B, V]
        self.positions = positions  # [B], of the token to come

    def extend(self, tokens: Tensor) -> None:
        structure = self.decoder.structure
        turns = self.turns[self.positions]
        self.cache.advance()
        x = embedding(tokens, structure.embedding)
        for layer, block in enumerate(self.decoder.blocks):
            query, key, value = self.decoder.turned(block, x, turns)
            x = block.rest(x, self.cache.attend(layer, query, key, value, structure.scale))
        self.logits = self.decoder.logits(x)
        self.positions = self.positions + 1

    def keep(self, index: Sequence[int]) -> None:
        self.cache.keep(index)
        self.logits, self.positions = self.logits[index], self.positions[index]


def _chunks(prompts: Sequence[Sequence[int]]) -> Iterator[slice]:
    """Yield slices of neighbouring prompts with at most `CHUNK` tokens; a longer prompt stands alone."""
    start = size = 0
    for place, prompt in enumerate(prompts):
        if place > start and size + len(prompt) > CHUNK:
            yield slice(start, place)
            start, size = place, 0
        size += len(prompt)
    yield slice(start, len(prompts))
