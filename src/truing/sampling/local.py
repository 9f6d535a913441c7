"""The sampler that works everywhere: any transformers causal LM, on whatever device it is on.

A prompt is read once and its keys and values are given to all siblings; prompts of similar length share a
batch; responses that have ended leave it. Left out on purpose: admitting new prompts into a running batch
(vLLM does that, through `http`), compiled graphs, and merging adapters, which would round the weights.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from transformers import Cache, PreTrainedModel, PreTrainedTokenizerBase

from truing.core.errors import DataError, UsageError
from truing.models.scoring import without_dropout
from truing.sampling.batch import Batch, Response, plan_batches, survivors
from truing.sampling.endings import Endings
from truing.sampling.filters import Drawn, draw, filtered
from truing.sampling.kv import growing_cache
from truing.sampling.noise import Address, uniforms
from truing.sampling.types import Finish, Sample, Sampling

if TYPE_CHECKING:
    from peft import PeftModel

# Ended rows are carried along until this share of a batch has ended: leaving moves tensors in every layer.
WORTH_LEAVING = 1 / 16


class LocalSampler:
    """Draws from `model` as it is at each call, so a policy in training is sampled at its newest weights.

    `tokens_in_flight` bounds the memory of the cache: rows of a batch times their longest possible length.
    A single group is never split, however large.
    """

    def __init__(
        self,
        model: "PreTrainedModel | PeftModel",
        tokenizer: PreTrainedTokenizerBase,
        *,
        stop_ids: frozenset[int],
        tokens_in_flight: int = 16_384,
    ) -> None:
        self.model = model
        self.tokenizer = tokenizer
        self.stop_ids = stop_ids
        self.tokens_in_flight = tokens_in_flight

    def refresh(self, model: "PreTrainedModel | PeftModel", step: int) -> None:
        """Draw from `model` from here on."""
        self.model = model

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
        """`group_size` responses to each prompt of token ids, siblings next to each other, in prompt order.

        What is drawn depends on (seed, step, key of the prompt, k, position) and the logits alone. `keys` are
        below 2**64, by default the prompts' indices; give them when a call holds only some of the prompts.
        `on_progress` is told how many responses have ended, and of how many.
        """
        if group_size < 1:
            raise UsageError(f"group_size is {group_size}, expected at least 1")
        room = [self._room(index, prompt, sampling) for index, prompt in enumerate(prompts)]
        keys = range(len(prompts)) if keys is None else keys
        endings = Endings(self.tokenizer, self.stop_ids, sampling.stop)
        samples: list[Sample | None] = [None] * (len(prompts) * group_size)
        ended = 0
        with without_dropout(self.model), torch.inference_mode():
            for indices in plan_batches(list(map(len, prompts)), room, group_size, self.tokens_in_flight):
                rows = [
                    Response(prompt, k, room[prompt], Address(keys[prompt], k))
                    for prompt in indices
                    for k in range(group_size)
                ]
                batch = self._read([prompts[index] for index in indices], rows, sampling, step)
                for row in self._write(batch, endings, sampling):
                    samples[row.prompt * group_size + row.k] = _as_sample(row, endings)
                    ended += 1
                    if on_progress is not None:
                        on_progress(ended, len(samples))
        return [sample for sample in samples if sample is not None]

    def _room(self, index: int, prompt: Sequence[int], sampling: Sampling) -> int:
        """How many tokens may follow this prompt."""
        if len(prompt) == 0:
            raise DataError(f"prompt {index} is empty", hint="a response needs at least one token to follow")
        context = _context(self.model)
        if context is None:
            return sampling.max_new_tokens
        if len(prompt) >= context:
            raise DataError(
                f"prompt {index} has {len(prompt)} tokens and the model's context is {context}",
                hint="shorten the prompt: its response needs room in the context too",
            )
        return min(sampling.max_new_tokens, context - len(prompt))

    def _read(
        self, prompts: Sequence[Sequence[int]], rows: list[Response], sampling: Sampling, step: int
    ) -> Batch:
        """Prefills each prompt once, then spreads its state over its siblings' rows."""
        device = self.model.device
        longest = max(map(len, prompts))
        ids = torch.zeros(len(prompts), longest, dtype=torch.long)
        mask = torch.zeros(len(prompts), longest + sampling.max_new_tokens, dtype=torch.long)
        for row, prompt in enumerate(prompts):
            ids[row, longest - len(prompt) :] = torch.as_tensor(prompt)
            mask[row, longest - len(prompt) :] = 1
        ids, mask = ids.to(device), mask.to(device)
        positions = (mask[:, :longest].cumsum(-1) - 1).clamp(min=0)
        cache = growing_cache(self.model.config)
        logits = self._forward(ids, mask[:, :longest], positions, cache)
        noise = None
        if not sampling.greedy:
            drawn = uniforms(sampling.seed, step, [row.address for row in rows], sampling.max_new_tokens)
            noise = torch.from_numpy(drawn).to(device)
        seen = None
        if sampling.repetition_penalty != 1:
            # Padding is pointed at the prompt's last token, which has been seen anyway.
            seen = torch.zeros(logits.shape, dtype=torch.bool, device=device)
            seen.scatter_(1, torch.where(mask[:, :longest] == 1, ids, ids[:, -1:]), True)
        batch = Batch(rows, cache, logits, mask, positions[:, -1:], longest, noise, seen)
        batch.spread(len(rows) // len(prompts))
        return batch

    def _write(self, batch: Batch, endings: Endings, sampling: Sampling) -> Iterator[Response]:
        """Draws tokens until every response has ended; yields each response as it ends."""
        written = 0
        while True:
            logits = filtered(batch.logits, sampling, batch.seen)
            noise = None if batch.noise is None else batch.noise[:, written]
            drawn = draw(logits, noise, logprobs=sampling.logprobs)
            yield from _append(batch.rows, drawn, endings)
            written += 1
            alive = [row.finish is None for row in batch.rows]
            if not any(alive):
                return
            newest = batch.accept(drawn.tokens, alive)
            if alive.count(False) >= WORTH_LEAVING * len(alive):
                index = survivors(alive)
                newest = newest[index]
                batch.keep(index)
            batch.logits = self._forward(newest, batch.mask[:, : batch.length], batch.positions, batch.cache)

    def _forward(self, ids: Tensor, mask: Tensor, positions: Tensor, cache: Cache) -> Tensor:
        """ids and positions [B, S], mask [B, T + S] to the logits [B, V] that follow the last of them."""
        output = self.model(
            input_ids=ids,
            attention_mask=mask,
            position_ids=positions,
            past_key_values=cache,
            use_cache=True,
            logits_to_keep=1,
        )
        return output.logits[:, -1]


def _context(model: "PreTrainedModel | PeftModel") -> int | None:
    """Positions the model has; None where the config lacks the field, as ALiBi and recurrent models do."""
    return getattr(model.config.get_text_config(decoder=True), "max_position_embeddings", None)


def _append(rows: Sequence[Response], drawn: Drawn, endings: Endings) -> Iterator[Response]:
    """Gives each row that has not ended its token; yields those that end with it."""
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


def _as_sample(row: Response, endings: Endings) -> Sample:
    assert row.finish is not None
    return Sample(
        tokens=row.tokens,
        logprobs=row.logprobs,
        text=endings.text(row.tokens, row.finish),
        finish=row.finish,
        prompt=row.prompt,
        k=row.k,
    )
