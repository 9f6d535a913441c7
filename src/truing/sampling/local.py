"""The sampler that works everywhere: any transformers causal LM, on whatever device it is on.

A prompt is read once for all of its siblings; prompts of similar length share a batch; responses that have
ended leave it. `decode.py` chooses the forward pass that computes the logits. Left out on purpose: admitting
new prompts into a running batch (vLLM does that, through `http`), compiled graphs, and merging adapters,
which would round the weights.
"""

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

import torch
from torch import Tensor
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from truing.core.errors import DataError, MemoryShortError, UsageError
from truing.core.memory import keep_freed_memory
from truing.core.messages import message
from truing.models.finite import fault_of
from truing.models.room import Short, unless_short
from truing.models.scoring import without_dropout
from truing.sampling.batch import Batch, BatchPart, OpenResponse, plan_batches
from truing.sampling.decode import Decoder, Opened, context_of, open_decoder
from truing.sampling.endings import Endings
from truing.sampling.filters import Drawn, draw, filtered, not_finite
from truing.sampling.kv import survivors
from truing.sampling.noise import Address, uniforms
from truing.sampling.types import Finish, NoLogitsError, Sample, Sampling

if TYPE_CHECKING:
    from peft import PeftModel

log = logging.getLogger(__name__)
T = TypeVar("T")

# Ended rows stay until they are this share of a batch: removing rows moves tensors in every layer.
WORTH_LEAVING = 1 / 16
IN_FLIGHT = 16_384  # tokens


class LocalSampler:
    """Draws from `model` as it is at each call, so a policy in training is sampled at its newest weights.

    Weights are laid out anew when torch knows that they have changed. After writes around torch (through
    `.data`, or by the kernels of another library), call `refresh`. `tokens_in_flight` bounds the memory of
    the cache: rows of a batch times their longest possible length. A single group is split only where memory
    runs out, which halves `tokens_in_flight` for good; the drawn tokens stay the same.
    """

    def __init__(
        self,
        model: "PreTrainedModel | PeftModel",
        tokenizer: PreTrainedTokenizerBase,
        *,
        stop_ids: frozenset[int],
        tokens_in_flight: int = IN_FLIGHT,
    ) -> None:
        keep_freed_memory()
        self.model = model
        self.tokenizer = tokenizer
        self.stop_ids = stop_ids
        self.tokens_in_flight = tokens_in_flight
        self._opened: Opened | None = None
        self._changed = False
        self._version: int | None = None  # of the newest refresh
        self._short = False  # whether memory has run out: a group is then split too

    @property
    def path(self) -> str:
        """Name the forward pass that the last call used, and the reason."""
        if self._opened is None:
            return "nothing has been sampled yet"
        return f"{type(self._opened.decoder).__name__}: {self._opened.reason}"

    def refresh(self, model: "PreTrainedModel | PeftModel", step: int) -> None:
        """Draw from `model` as it is now from here on; `step` is the version that samples name."""
        if model is not self.model:
            self.model, self._opened = model, None
        self._changed, self._version = True, step

    def state(self) -> dict[str, Any]:
        """Return the size that memory was found to hold, for a resumed run; empty if it was always enough."""
        return {"tokens_in_flight": self.tokens_in_flight} if self._short else {}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Begin with the size of `state`, as the run did that it is from."""
        if (most := state.get("tokens_in_flight")) is not None:
            self._short, self.tokens_in_flight = True, most

    def sample(
        self,
        prompts: Sequence[Sequence[int]],
        sampling: Sampling,
        *,
        group_size: int = 1,
        step: int = 0,
        keys: Sequence[int] | None = None,
        on_progress: Callable[[int, int], None] | None = None,
    ) -> list[Sample]:
        """Draw `group_size` responses to each prompt of token ids: siblings together, in prompt order.

        The tokens depend on (seed, step, key of the prompt, k, position) and the logits alone. `keys` are
        below 2**64, by default the prompts' indices; give them when a call holds only some of the prompts.
        `on_progress` is called with the number of ended responses and their total.
        """
        room = self._rooms(prompts, sampling)
        keys = range(len(prompts)) if keys is None else keys
        endings = Endings(self.tokenizer, self.stop_ids, sampling.stop)
        samples: dict[int, Sample] = {}
        waiting = [
            BatchPart(indices, range(group_size))
            for indices in self.batches(prompts, sampling, group_size=group_size)
        ]

        def draw(opened: Opened, part: BatchPart) -> None:
            rows = [
                OpenResponse(i, k, room[i], Address(keys[i], k)) for i in part.prompts for k in part.siblings
            ]
            batch = _read(opened.decoder, [prompts[i] for i in part.prompts], rows, sampling, step)
            for ended in self._written(batch, endings, sampling, prompts):
                for row in ended:
                    samples[row.prompt * group_size + row.k] = _as_sample(row, endings, self._version)
                    if on_progress is not None:
                        on_progress(len(samples), len(prompts) * group_size)

        training = self.model.training
        with without_dropout(self.model), torch.inference_mode():
            opened = self._opened = open_decoder(self.model, self._opened, changed=self._changed)
            self._changed = False
            while waiting:
                part = waiting.pop(0)
                tokens = part.rows * max(len(prompts[i]) + room[i] for i in part.prompts)
                halves = part.halves() if self._short and tokens > self.tokens_in_flight else []
                if not halves and isinstance(unless_short(partial(draw, opened, part)), Short):
                    halves = self._halved(part, tokens)
                waiting[:0] = halves
        if training:
            opened.rest()  # it needs the room, and most of what was laid out will have changed
        return [samples[place] for place in range(len(prompts) * group_size)]

    def follow(self, prompt: Sequence[int], sampling: Sampling, *, key: int = 0) -> Iterator[OpenResponse]:
        """Draw one response as `sample` does, and yield it after every token; the last has a finish.

        Between two tokens nothing is held: other responses, of this sampler too, may be drawn in turns with
        this one. Raises MemoryShortError where memory does not hold the response.
        """
        row = OpenResponse(0, 0, self._room(0, prompt, sampling), Address(key, 0))
        endings = Endings(self.tokenizer, self.stop_ids, sampling.stop)

        def begin() -> Iterator[list[OpenResponse]]:
            opened = self._opened = open_decoder(self.model, self._opened, changed=self._changed)
            self._changed = False
            return self._written(
                _read(opened.decoder, [prompt], [row], sampling, 0), endings, sampling, [prompt]
            )

        drawing = self._alone(begin, row)
        while row.finish is None:
            self._alone(partial(next, drawing), row)
            yield row

    def _alone(self, work: Callable[[], T], row: OpenResponse) -> T:
        """Do a part of the work for one response. Raises MemoryShortError where memory runs out."""
        with without_dropout(self.model), torch.inference_mode():
            found = unless_short(work)
        if isinstance(found, Short):
            raise MemoryShortError(
                message("memory does not hold one response of {n} tokens", n=row.room),
                hint=message("lower the most tokens of a response, or shorten the prompt"),
            )
        return found

    def batches(
        self, prompts: Sequence[Sequence[int]], sampling: Sampling, *, group_size: int = 1
    ) -> list[list[int]]:
        """Return the indices of the prompts that `sample` reads together, in its order.

        A call for one of these batches alone draws what a call for all prompts draws for it, to the last bit.
        """
        if group_size < 1:
            raise UsageError(f"group_size is {group_size}, expected at least 1")
        lengths, room = list(map(len, prompts)), self._rooms(prompts, sampling)
        return plan_batches(lengths, room, group_size, self.tokens_in_flight)

    def _halved(self, part: BatchPart, tokens: int) -> list[BatchPart]:
        """Split a part that memory was too small for, and remember its size. Raises MemoryShortError."""
        halves = part.halves()
        if not halves:
            raise MemoryShortError(
                f"memory does not hold one response to prompt {part.prompts[0]}: {tokens} tokens",
                hint="lower sampling.max_new_tokens, or shorten the prompt",
            )
        self._short, self.tokens_in_flight = True, max(1, tokens // 2)
        log.warning("memory ran out while sampling: %d tokens at once from here on", self.tokens_in_flight)
        return halves

    def _written(
        self, batch: Batch, endings: Endings, sampling: Sampling, prompts: Sequence[Sequence[int]]
    ) -> Iterator[list[OpenResponse]]:
        """Yield as `_write` does. Raises NoLogitsError with the module whose output is not finite."""
        try:
            yield from _write(batch, endings, sampling)
        except NoLogitsError as error:
            (row, *_) = [row for row in batch.rows if row.prompt == error.prompt and row.finish is None]
            ids = torch.tensor([[*prompts[row.prompt], *row.tokens]], device=self.model.device)
            first = fault_of(self.model, lambda: self.model(input_ids=ids, use_cache=False))
            raise NoLogitsError(error.prompt, error.written, first) from error

    def _rooms(self, prompts: Sequence[Sequence[int]], sampling: Sampling) -> list[int]:
        return [self._room(index, prompt, sampling) for index, prompt in enumerate(prompts)]

    def _room(self, index: int, prompt: Sequence[int], sampling: Sampling) -> int:
        """Return how many tokens may follow this prompt."""
        if len(prompt) == 0:
            raise DataError(f"prompt {index} is empty", hint="a response needs at least one token to follow")
        context = context_of(self.model)
        if context is None:
            return sampling.max_new_tokens
        if len(prompt) >= context:
            raise DataError(
                f"prompt {index} has {len(prompt)} tokens and the model's context is {context}",
                hint="shorten the prompt: its response needs room in the context too",
            )
        return min(sampling.max_new_tokens, context - len(prompt))


def _read(
    decoder: Decoder,
    prompts: Sequence[Sequence[int]],
    rows: list[OpenResponse],
    sampling: Sampling,
    step: int,
) -> Batch:
    """Read the prompts; return their rows as a batch, siblings next to each other."""
    reading = decoder.read(prompts, len(rows) // len(prompts), sampling.max_new_tokens)
    logits, noise, seen = reading.logits, None, None
    if not sampling.greedy:
        drawn = uniforms(sampling.seed, step, [row.address for row in rows], sampling.max_new_tokens)
        noise = torch.from_numpy(drawn).to(logits.device)
    if sampling.repetition_penalty != 1:
        seen = torch.zeros(logits.shape, dtype=torch.bool, device=logits.device)
        siblings = len(rows) // len(prompts)
        for place, prompt in enumerate(prompts):
            seen[place * siblings : (place + 1) * siblings, torch.tensor(prompt)] = True
    return Batch(rows, reading, noise, seen)


def _write(batch: Batch, endings: Endings, sampling: Sampling) -> Iterator[list[OpenResponse]]:
    """Draw tokens until every response has ended; yield after each token the responses that end with it."""
    written = 0
    while True:
        logits = filtered(batch.reading.logits, sampling, batch.seen)
        _require_numbers(logits, batch.rows)
        noise = None if batch.noise is None else batch.noise[:, written]
        drawn = draw(logits, noise, logprobs=sampling.logprobs)
        yield list(_append(batch.rows, drawn, endings))
        written += 1
        alive = [row.finish is None for row in batch.rows]
        if not any(alive):
            return
        tokens = drawn.tokens
        if alive.count(False) >= WORTH_LEAVING * len(alive):
            index = survivors(alive)
            tokens = tokens[index]
            batch.keep(index)
        batch.extend(tokens)


def _require_numbers(logits: Tensor, rows: Sequence[OpenResponse]) -> None:
    """Raise NoLogitsError where a row that goes on has logits that are not finite."""
    for place in not_finite(logits):
        if rows[place].finish is None:
            raise NoLogitsError(rows[place].prompt, len(rows[place].tokens), "")


def _append(rows: Sequence[OpenResponse], drawn: Drawn, endings: Endings) -> Iterator[OpenResponse]:
    """Append to each row that has not ended its token; yield the rows that end with it."""
    tokens = drawn.tokens.tolist()
    logprobs = None if drawn.logprobs is None else drawn.logprobs.tolist()
    for place, row in enumerate(rows):
        if row.finish is not None:
            continue
        row.tokens.append(tokens[place])
        if logprobs is not None:
            row.logprobs.append(logprobs[place])
        row.finish = endings.met(row.tokens)
        if row.finish is None and len(row.tokens) == row.room:
            row.finish = Finish.LENGTH
        if row.finish is not None:
            yield row


def _as_sample(row: OpenResponse, endings: Endings, version: int | None) -> Sample:
    assert row.finish is not None
    return Sample(
        tokens=row.tokens,
        logprobs=row.logprobs,
        text=endings.text(row.tokens, row.finish),
        finish=row.finish,
        prompt=row.prompt,
        k=row.k,
        version=version,
    )
