"""The request to a server for one response, and the sample that is made from the server's answer.

The dialect is vLLM's `/v1/completions`: OpenAI's, with prompts and responses as token ids and more filters.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import httpx2

from truing.core.errors import ConfigError, ModelError
from truing.sampling.endings import Endings
from truing.sampling.servers import (
    Refused,
    Server,
    ServerDown,
    ask,
    ask_once,
    explained,
    read_json,
    require_stamp,
)
from truing.sampling.types import Finish, Sample, Sampling

IMPOSSIBLE = -1000.0  # below every log-probability of a softmax, above that of a filtered token


@dataclass(frozen=True, slots=True)
class Wanted:
    """One response to be drawn."""

    prompt: int  # index among the prompts of the call
    k: int
    tokens: Sequence[int]  # of the prompt
    room: int  # most tokens of the response
    seed: int


def seed_of(seed: int, step: int, key: int, k: int) -> int:
    """Return the seed of one response, below 2**63: different for every address, the same on all machines."""
    address = b"".join(number.to_bytes(8, "little") for number in (seed, step, key, k))
    return int.from_bytes(hashlib.blake2b(address, digest_size=8).digest(), "little") >> 1


async def draw(
    client: httpx2.AsyncClient, server: Server, wanted: Wanted, sampling: Sampling, endings: Endings
) -> Sample:
    """Draw one response from `server`, with its newest weights, whose step the sample names."""
    version = server.version
    # Every option is given that a server would otherwise take from the model's generation_config.json.
    body = {
        "model": server.serving,
        "prompt": list(wanted.tokens),
        "max_tokens": wanted.room,
        "seed": wanted.seed,
        "temperature": sampling.temperature,
        "top_k": sampling.top_k,
        "top_p": sampling.top_p,
        "min_p": sampling.min_p,
        "repetition_penalty": sampling.repetition_penalty,
        "stop": list(sampling.stop),
        "stop_token_ids": sorted(endings.stop_ids),
        "ignore_eos": True,
        "return_token_ids": True,
        "logprobs": 0 if sampling.logprobs else None,
    }
    return _as_sample(await _complete(client, server, body), server, wanted, sampling, endings, version)


def unfiltered(sampling: Sampling) -> bool:
    """Tell whether the model's unfiltered log-probabilities are those that `Sample` promises."""
    if sampling.repetition_penalty != 1 or sampling.greedy:
        return sampling.repetition_penalty == 1
    return sampling.temperature == 1 and not sampling.top_k and sampling.top_p == 1 and not sampling.min_p


async def _complete(client: httpx2.AsyncClient, server: Server, body: dict[str, Any]) -> dict[str, Any]:
    """Ask for a completion and return its one choice."""
    try:
        response = await ask(
            client, server, "/v1/completions", body, again=partial(require_stamp, client, server)
        )
    except Refused as refused:
        if refused.status == 404:  # it restarted since, and has lost the adapter
            raise ServerDown(str(refused)) from refused
        raise explained(server, refused) from refused
    choices = read_json(server, response).get("choices")
    if not isinstance(choices, list) or len(choices) != 1:
        count = len(choices) if isinstance(choices, list) else "no"
        raise ModelError(f"{server.url} sent {count} choices for one response", hint="is it a vLLM server?")
    return choices[0]


async def require_drawing(client: httpx2.AsyncClient, server: Server, seconds: float) -> None:
    """Have a server draw one token with its newest weights. Raises ServerDown where it does not."""
    body = {"model": server.serving, "prompt": [0], "max_tokens": 1, "logprobs": None}
    asked = body | {"seed": 0, "temperature": 0.0, "stop_token_ids": [], "return_token_ids": True}
    try:
        await ask_once(client, server, "/v1/completions", asked, seconds=seconds)
    except Refused as refused:
        raise ServerDown(str(refused)) from refused


async def require_processed(prompt: Sequence[int], client: httpx2.AsyncClient, server: Server) -> None:
    """Raise ConfigError unless a server reports log-probabilities of the filtered distribution; ask it once.

    The question allows one token alone (top_k 1). A server that reports the filtered distribution gives this
    token the log-probability 0, and the next four one near minus infinity.
    """
    if server.processed is None:
        body = {"model": server.serving, "prompt": list(prompt), "max_tokens": 1, "logprobs": 5}
        choice = await _complete(client, server, body | {"temperature": 1.0, "top_k": 1})
        likeliest = (choice.get("logprobs") or {}).get("top_logprobs") or [{}]
        server.processed = min(likeliest[0].values(), default=0.0) < IMPOSSIBLE
    if not server.processed:
        raise ConfigError(
            f"{server.url} reports log-probabilities from before temperature and filters",
            hint="start vLLM with --logprobs-mode processed_logprobs, or sample at temperature 1 unfiltered",
        )


def _as_sample(
    choice: dict[str, Any],
    server: Server,
    wanted: Wanted,
    sampling: Sampling,
    endings: Endings,
    version: int,
) -> Sample:
    """Make a sample of a server's choice, cut where the response ends by our own rules."""
    drawn, reason = choice.get("token_ids"), choice.get("finish_reason")
    if not drawn:
        raise ModelError(
            f"{server.url} returned no token ids",
            hint='it must know "return_token_ids", as vLLM does: text alone does not say what was drawn',
        )
    if reason not in ("stop", "length"):
        raise ServerDown(f"it ended a response with finish_reason {reason!r}")
    logprobs = _logprobs(choice, server, len(drawn)) if sampling.logprobs else []
    tokens: list[int] = []
    finish = None
    for token in drawn:
        tokens.append(token)
        if (finish := endings.met(tokens)) is not None:
            break
    if finish is None:
        finish = Finish.LENGTH if reason == "length" else _own_ending(tokens, server, sampling)
    return Sample(
        tokens=tokens,
        logprobs=logprobs[: len(tokens)],
        text=endings.text(tokens, finish),
        finish=finish,
        prompt=wanted.prompt,
        k=wanted.k,
        version=version,
    )


def _logprobs(choice: dict[str, Any], server: Server, count: int) -> list[float]:
    given = (choice.get("logprobs") or {}).get("token_logprobs") or []
    logprobs = [value for value in given if value is not None]
    if len(logprobs) != count:
        raise ModelError(
            f"{server.url} returned {len(logprobs)} log-probabilities for {count} tokens",
            hint='it must answer "logprobs": 0 with that of each token drawn, as vLLM does',
        )
    if max(logprobs) > 1e-3:
        raise ConfigError(
            f"{server.url} returned {max(logprobs):g} as a log-probability",
            hint="start vLLM with --logprobs-mode processed_logprobs, not with one of logits",
        )
    return logprobs


def _own_ending(tokens: list[int], server: Server, sampling: Sampling) -> Finish:
    """Return STOP_STRING for a response that the server alone ended; raise ModelError without stop strings.

    A server that decodes token by token may see a stop string where the whole text has none.
    """
    if sampling.stop:
        return Finish.STOP_STRING
    raise ModelError(
        f"{server.url} ended a response at token {tokens[-1]}, which is no stop token of this model",
        hint="start vLLM with --generation-config vllm, so that it has no endings of its own",
    )
