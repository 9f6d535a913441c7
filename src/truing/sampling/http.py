"""The sampler that drives vLLM servers: token ids out, token ids and log-probabilities back.

Every response is a request of its own with its own seed, made of (seed, step, key of the prompt, k), so the
requests are the same whatever the number of servers. The answers are as reproducible as the servers are: a
server's arithmetic depends on the requests that share a batch. This module ends responses by the rules of the
local sampler. Left out on purpose: streaming, chat templates (prompts are token ids), requests in text.
"""

import asyncio
from collections.abc import Callable, Coroutine, Iterable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import httpx2
from transformers import PreTrainedTokenizerBase

from truing.core.errors import DataError, UsageError
from truing.core.messages import Say, message
from truing.sampling.completions import (
    Wanted,
    draw,
    require_drawing,
    require_processed,
    seed_of,
    unfiltered,
)
from truing.sampling.endings import Endings
from truing.sampling.fleet import Fleet
from truing.sampling.listing import Listing
from truing.sampling.servers import Server, ServerDown, answers, make_client, open_server, require_stamp
from truing.sampling.spreading import IN_FLIGHT, spread
from truing.sampling.types import Sample, Sampling
from truing.sampling.weights import ServedWeights, folder_of, give, remove_older, write_weights

PROBE_SECONDS = 60.0  # that a server which has failed may take for one token


class HttpSampler:
    """Draws from the model that `servers` serve, by their own weights until `refresh` sends new ones.

    New weights are written to `folder`, which the servers must see under the same path. `model` is the name
    the model is served under, by default the first that a server names. `timeout` is the limit of one
    response in seconds. `listed` is a file of more servers, which may change at any time. While no server can
    be used, the sampler waits `wait` seconds. A server that does not take new adapters may go on with its
    own while they are `lag` steps older at most. `say` is told of servers that leave and come back. A server
    has `in_flight` requests at once. `weights` are given to every server before it draws.
    """

    def __init__(
        self,
        servers: Sequence[str],
        tokenizer: PreTrainedTokenizerBase,
        *,
        stop_ids: frozenset[int],
        folder: Path | None = None,
        say: Say = lambda line: None,
        timeout: float = 600.0,
        model: str | None = None,
        listed: Path | None = None,
        wait: float = 0.0,
        lag: int = 0,
        in_flight: int | None = None,
        weights: ServedWeights | None = None,
    ) -> None:
        self.fleet = Fleet(Listing(servers, listed, say), self._join, wait=wait, say=say)
        self.tokenizer = tokenizer
        self.stop_ids = stop_ids
        self.folder = folder
        self.say = say
        self.timeout = timeout
        self.model = model
        self.lag = lag
        self.in_flight = in_flight
        self._weights = weights  # None: the servers' own
        self._context: int | None = None  # of the first call; a server with a smaller one is not used
        self._filtered: Sequence[int] | None = None  # a prompt, once log-probabilities are those of filters

    @property
    def version(self) -> int:
        """Return the step of the newest weights; 0 for those that the servers started with."""
        return self._weights.step if self._weights else 0

    @property
    def at_once(self) -> int:
        """Return the most requests that all servers have at once."""
        return (self.in_flight or IN_FLIGHT) * max(1, len(self.fleet.servers))

    @property
    def context(self) -> int | None:
        """Return the most tokens of a prompt and its response, which all servers take; None: they do not say.

        It is settled when it is first asked for, once servers are in use.
        """
        if self._context is None:
            self._context = min((one.context for one in self.fleet.servers if one.context), default=None)
        return self._context

    def refresh(self, model: Any, step: int) -> None:
        """Give all servers the weights of `model` after `step` steps, those left out too, once they answer.

        The adapter of a PEFT model is loaded beside the server's own weights; any other model replaces them.
        """
        self._run(partial(self._refresh, model, step))

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

        `keys` are below 2**64, by default the prompts' indices; give them when a call holds only some of the
        prompts. `on_progress` is called with the number of ended responses and their total. Raises ModelError
        when no server could be used for `wait` seconds, and ConfigError when a server reports
        log-probabilities of a distribution that is not the one drawn from.
        """
        if group_size < 1:
            raise UsageError(f"group_size is {group_size}, expected at least 1")
        for index, prompt in enumerate(prompts):
            if len(prompt) == 0:
                raise DataError(
                    f"prompt {index} is empty", hint="a response needs at least one token to follow"
                )
        if not prompts:
            return []
        keys = range(len(prompts)) if keys is None else keys
        total = len(prompts) * group_size
        samples: dict[tuple[int, int], Sample] = {}

        def groups() -> list[list[Wanted]]:
            rooms = [self._room(index, len(prompt), sampling) for index, prompt in enumerate(prompts)]
            return [
                [
                    Wanted(index, k, prompt, rooms[index], seed_of(sampling.seed, step, keys[index], k))
                    for k in range(group_size)
                ]
                for index, prompt in enumerate(prompts)
            ]

        def take(sample: Sample) -> None:
            samples[sample.prompt, sample.k] = sample
            if on_progress is not None:
                on_progress(len(samples), total)

        async def draw_all(client: httpx2.AsyncClient) -> None:
            wanted = groups()
            if sampling.logprobs and not unfiltered(sampling):
                self._filtered = prompts[0]
                await self.fleet.on_each(client, partial(require_processed, prompts[0]))
            await self._draw(client, wanted, sampling, take)

        self._run(draw_all)
        return [samples[prompt, k] for prompt in range(len(prompts)) for k in range(group_size)]

    def stream(
        self,
        asked: Iterable[tuple[int, Sequence[int]]],
        sampling: Sampling,
        take: Callable[[Sample], None],
        *,
        group_size: int = 1,
        room: Callable[[], bool],
    ) -> None:
        """Draw as `sample` does, from pairs of a key and a prompt's token ids that are read one by one.

        `take` gets each response as it ends; its `prompt` is the key. A prompt is read when a server is free
        for it and `room` holds; see `spread`. Log-probabilities are not asked for.
        """
        told = replace(sampling, logprobs=False)

        def groups() -> Iterator[list[Wanted]]:
            for key, prompt in asked:
                most = self._room(key, len(prompt), told)
                yield [Wanted(key, k, prompt, most, seed_of(told.seed, 0, key, k)) for k in range(group_size)]

        self._run(lambda client: self._draw(client, groups(), told, take, room))

    async def _draw(
        self,
        client: httpx2.AsyncClient,
        groups: Iterable[Sequence[Wanted]],
        sampling: Sampling,
        take: Callable[[Sample], None],
        room: Callable[[], bool] = lambda: True,
    ) -> None:
        """Draw every response and hand it to `take`."""
        await self.fleet.on_each(client, require_stamp)
        endings = Endings(self.tokenizer, self.stop_ids, sampling.stop)

        async def draw_one(server: Server, wanted: Wanted) -> int:
            sample = await draw(client, server, wanted, sampling, endings)
            take(sample)
            return len(sample.tokens)

        await spread(self.fleet, client, groups, draw_one, in_flight=self.in_flight, room=room)

    def _run(self, work: Callable[[httpx2.AsyncClient], Coroutine[Any, Any, None]]) -> None:
        """Run `work` with a client. An exception, Ctrl-C's too, closes connections, which ends requests."""

        async def inner() -> None:
            async with make_client(self.timeout) as client:
                self.fleet.read_list()
                if not self.fleet.begun:
                    await self.fleet.welcome(client)
                await self.fleet.ready(client)
                await work(client)
            self.fleet.begun = True

        asyncio.run(inner())

    async def _join(self, client: httpx2.AsyncClient, server: Server) -> None:
        """Take a server into use: with the newest weights, and as the others are."""
        server.forget()
        await open_server(client, self.model, server)
        if self._context is not None and server.context and server.context < self._context:
            said = "its context is {context} tokens, and responses are drawn for {needed}"
            raise ServerDown(message(said, context=server.context, needed=self._context))
        if self._weights is not None:
            await give(client, server, self._weights)
        if server.error:  # it has failed before
            await require_drawing(client, server, min(self.timeout, PROBE_SECONDS))
        if self._filtered is not None:
            await require_processed(self._filtered, client, server)

    async def _refresh(self, model: Any, step: int, client: httpx2.AsyncClient) -> None:
        from peft import PeftModel

        assert self.folder is not None, "a sampler without a folder takes no new weights"
        path = write_weights(model, self.tokenizer, self.folder, step)
        adapter = isinstance(model, PeftModel)
        tied = not adapter and model.get_output_embeddings().weight is model.get_input_embeddings().weight
        before, self._weights = self._weights, ServedWeights(path, step, adapter, tied)
        try:
            await self.fleet.on_each(client, self._give_newest)
            await self.fleet.welcome(client)
            await self.fleet.ready(client)
        except BaseException:
            self._weights = before
            raise
        remove_older(path, {folder_of(server.adapter) for server in self.fleet.up})

    async def _give_newest(self, client: httpx2.AsyncClient, server: Server) -> None:
        """Give a server the newest weights, or let it go on with older ones that are not too old."""
        assert self._weights is not None
        try:
            await give(client, server, self._weights)
        except ServerDown as down:
            behind = self._weights.step - server.version
            if not server.adapter or behind > self.lag or not await answers(client, server):
                raise
            said = "{url} goes on with the weights of step {step}: {reason}"
            self.say(message(said, url=server.url, step=server.version, reason=down.reason))

    def _room(self, index: int, length: int, sampling: Sampling) -> int:
        """Return how many tokens may follow this prompt: the same number on every server, in every call."""
        context = self.context
        if context is None:
            return sampling.max_new_tokens
        if length >= context:
            raise DataError(
                f"prompt {index} has {length} tokens and the servers' context is {context}",
                hint="shorten the prompt, or start the servers with a larger --max-model-len",
            )
        return min(sampling.max_new_tokens, context - length)
