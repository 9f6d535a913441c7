"""Responses that are read while an OpenAI-compatible server writes them.

The request is that of a judge (`judges.endpoint`) with `stream: true`, and its answer is server-sent events.
A request is sent again only while nothing of its response has come: a person has read the rest.
"""

import asyncio
import json
from dataclasses import dataclass, replace
from typing import Any

import httpx2

from truing.core.errors import ModelError
from truing.core.messages import message
from truing.core.records import Turns
from truing.core.retries import Tries, retry_after
from truing.judges.endpoint import NO_KEY, Endpoint
from truing.sampling.servers import said_by
from truing.sampling.streaming import SpokenText, TakePiece
from truing.sampling.types import Finish, Sampling

TRIES = 3
FIRST_PAUSE = 0.5  # seconds; somebody waits in front of the page
LONGEST_PAUSE = 8.0  # seconds
PASSING = (408, 409, 429)  # and everything from 500
LARGEST_SEED = 2**31  # that every server takes
MOST = 64  # characters for each token that was asked for: a server that goes on for ever is cut off


class _PassingError(Exception):
    """No answer has begun, and another try may get one; `wait` is the pause that the server asks for."""

    def __init__(self, reason: str, wait: float = 0.0) -> None:
        super().__init__(reason)
        self.wait = wait


@dataclass(frozen=True)
class ServedStreamer:
    """A chat model behind an address; its template and its tokens are the server's."""

    endpoint: Endpoint

    async def speak(self, turns: Turns, sampling: Sampling, take: TakePiece) -> SpokenText:
        """Have the server write the next response. Raises ModelError where it refuses or breaks off."""
        endpoint = replace(
            self.endpoint,
            temperature=sampling.temperature,
            max_tokens=sampling.max_new_tokens,
            seed=sampling.seed % LARGEST_SEED,
        )
        tries = Tries(TRIES, FIRST_PAUSE, LONGEST_PAUSE, spread=0.5)
        key = endpoint.api_key()
        headers = {} if key == NO_KEY else {"Authorization": f"Bearer {key}"}
        async with httpx2.AsyncClient(headers=headers, timeout=endpoint.timeout) as client:
            while True:
                try:
                    return await _read(client, endpoint, turns, take)
                except _PassingError as error:
                    pause = tries.failed(error.wait)
                    if pause is None:
                        raise _refused(endpoint, str(error)) from error
                    await asyncio.sleep(pause)


async def _read(client: httpx2.AsyncClient, endpoint: Endpoint, turns: Turns, take: TakePiece) -> SpokenText:
    """Send the request once and read its answer. Raises _PassingError while nothing has come."""
    text, finish, most = "", None, MOST * endpoint.max_tokens
    try:
        body = endpoint.request(turns) | {"stream": True}
        async with client.stream("POST", endpoint.chat, json=body) as response:
            await _require_answer(response, endpoint)
            async for line in response.aiter_lines():
                piece, ended = _event(line, endpoint)
                finish = ended or finish
                if piece:
                    take(piece[: most - len(text)])
                    text = (text + piece)[:most]
                if len(text) == most:
                    finish = Finish.LENGTH
                    break
    except httpx2.TransportError as error:
        reason = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
        if not text:
            raise _PassingError(reason) from error
        raise _broken(endpoint, reason) from error
    if finish is None:
        raise _broken(endpoint, message("it ended without a reason"))
    return SpokenText(text, finish)


async def _require_answer(response: httpx2.Response, endpoint: Endpoint) -> None:
    """Raise for a status that is no answer: _PassingError where another try may get one."""
    if response.is_success:
        return
    await response.aread()
    status = response.status_code
    reason = f"HTTP {status}: {said_by(response)}"
    if status in PASSING or status >= 500:
        raise _PassingError(reason, retry_after(response.headers.get("Retry-After")))
    raise _refused(endpoint, reason)


def _event(line: str, endpoint: Endpoint) -> tuple[str, Finish | None]:
    """Return the text of one line of the stream, and the reason why the response ends with it."""
    name, _, data = line.partition(":")
    data = data.strip()
    if name != "data" or data == "[DONE]":
        return "", None
    try:
        event: Any = json.loads(data)
    except (ValueError, RecursionError):
        event = None
    if not isinstance(event, dict):
        raise _broken(endpoint, message("a line of its answer is no JSON: {line}", line=repr(data[:60])))
    if told := event.get("error"):
        raise _broken(endpoint, str(told.get("message", told) if isinstance(told, dict) else told))
    for choice in event.get("choices") or ():
        text = (choice.get("delta") or {}).get("content") or ""
        reason = choice.get("finish_reason")
        return str(text), None if reason is None else Finish.LENGTH if reason == "length" else Finish.STOP
    return "", None


def _refused(endpoint: Endpoint, reason: str) -> ModelError:
    told = message("{url} gives no answer: {reason}", url=endpoint.base_url, reason=reason)
    return ModelError(
        told, hint=message("check base_url, which usually ends in /v1, and the name of the model")
    )


def _broken(endpoint: Endpoint, reason: str) -> ModelError:
    told = message("{url} broke off its answer: {reason}", url=endpoint.base_url, reason=reason)
    return ModelError(told, hint=message("see what the server printed, and ask again"))
