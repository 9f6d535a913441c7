"""The sampler that drives vLLM servers: token ids out, token ids and log-probabilities back.

Every response is a request of its own with its own seed, made of (seed, step, key of the prompt, k), so the
requests are the same whatever the number of servers. The answers are as reproducible as the servers are: a
server's arithmetic depends on the requests that share a batch. This module ends responses by the rules of the
local sampler. Left out on purpose: streaming, chat templates (prompts are token ids), requests in text.
"""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import httpx2
from transformers import PreTrainedTokenizerBase

from truing.core.errors import DataError, UsageError
from truing.core.messages import Say
from truing.sampling.completions import Wanted, draw, require_processed, seed_of, unfiltered
from truing.sampling.endings import Endings
from truing.sampling.fleet import in_use, on_each, spread
from truing.sampling.servers import Server, make_client, open_server, parse_servers
from truing.sampling.types import Sample, Sampling
from truing.sampling.weights import load_adapter, load_whole, remove_older, write_weights


class HttpSampler:
    """Draws from the model that `servers` serve, by their own weights until `refresh` sends new ones.

    New weights are written to `folder`, which the servers must see under the same path. `model` is the name
    the model is served under, by default the first that a server names. `timeout` is the limit of one
    response in seconds. `say` is told of servers that are left out.
    """

    def __init__(
        self,
        servers: Sequence[str],
        tokenizer: PreTrainedTokenizerBase,
        *,
        stop_ids: frozenset[int],
        folder: Path,
        say: Say = lambda line: None,
        timeout: float = 600.0,
        model: str | None = None,
    ) -> None:
        self.servers = parse_servers(servers)
        self.tokenizer = tokenizer
        self.stop_ids = stop_ids
        self.folder = folder
        self.say = say
        self.timeout = timeout
        self.model = model
        self._version = 0

    @property
    def version(self) -> int:
        """Return the step of the weights that every server in use has; 0 for the weights it started with."""
        return self._version

    def refresh(self, model: Any, step: int) -> None:
        """Give all servers, those left out too, the weights of `model` after `step` steps.

        The adapter of a PEFT model is loaded beside the server's own weights; any other model replaces them.
        """
        for server in self.servers:
            if server.error:
                server.error, server.model, server.processed = "", "", None
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
        when no server is left, and ConfigError when a server reports log-probabilities of a distribution that
        is not the one drawn from.
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
        endings = Endings(self.tokenizer, self.stop_ids, sampling.stop)
        keys = range(len(prompts)) if keys is None else keys
        total = len(prompts) * group_size
        samples: dict[tuple[int, int], Sample] = {}

        async def draw_all(client: httpx2.AsyncClient) -> None:
            rooms = [self._room(index, len(prompt), sampling) for index, prompt in enumerate(prompts)]
            groups = [
                [
                    Wanted(index, k, prompt, rooms[index], seed_of(sampling.seed, step, keys[index], k))
                    for k in range(group_size)
                ]
                for index, prompt in enumerate(prompts)
            ]
            if sampling.logprobs and not unfiltered(sampling):
                await self._on_each(partial(require_processed, client, prompts[0]))

            async def draw_one(server: Server, wanted: Wanted) -> None:
                samples[wanted.prompt, wanted.k] = await draw(client, server, wanted, sampling, endings)
                if on_progress is not None:
                    on_progress(len(samples), total)

            await spread(self.servers, groups, draw_one, self.say)

        self._run(draw_all)
        return [samples[prompt, k] for prompt in range(len(prompts)) for k in range(group_size)]

    def _run(self, work: Callable[[httpx2.AsyncClient], Coroutine[Any, Any, None]]) -> None:
        """Run `work` with a client. An exception, Ctrl-C's too, closes connections, which ends requests."""

        async def inner() -> None:
            async with make_client(self.timeout) as client:
                await self._on_each(partial(open_server, client, self.model))
                await work(client)

        asyncio.run(inner())

    async def _on_each(self, action: Callable[[Server], Coroutine[Any, Any, None]]) -> None:
        await on_each(self.servers, action, self.say)

    async def _refresh(self, model: Any, step: int, client: httpx2.AsyncClient) -> None:
        from peft import PeftModel

        in_use(self.servers)  # before anything is written
        path = write_weights(model, self.tokenizer, self.folder, step)
        if isinstance(model, PeftModel):
            await self._on_each(partial(load_adapter, client, path=path))
        else:
            tied = model.get_output_embeddings().weight is model.get_input_embeddings().weight
            await self._on_each(partial(load_whole, client, path=path, tied=tied))
        in_use(self.servers)
        self._version = step
        remove_older(path)

    def _room(self, index: int, length: int, sampling: Sampling) -> int:
        """Return how many tokens may follow this prompt: the same number on every server."""
        context = min((server.context for server in self.servers if server.context), default=None)
        if context is None:
            return sampling.max_new_tokens
        if length >= context:
            raise DataError(
                f"prompt {index} has {length} tokens and the servers' context is {context}",
                hint="shorten the prompt, or start the servers with a larger --max-model-len",
            )
        return min(sampling.max_new_tokens, context - length)
