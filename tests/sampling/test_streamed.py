"""Text that comes while a server writes it: pieces, ends, repetitions and failures."""

import asyncio
import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from truing.core.errors import ModelError
from truing.core.records import Message, user
from truing.judges.endpoint import Endpoint
from truing.sampling import streamed
from truing.sampling.streamed import ServedStreamer
from truing.sampling.streaming import SpokenText
from truing.sampling.types import Finish, Sampling

from ..serving import Reply, Request, Server, as_json

Answer = Callable[[Request], Reply]


def stream(*pieces: str, finish: str | None = "stop", after: str = "data: [DONE]\n\n") -> bytes:
    """An answer as OpenAI's servers stream it."""
    choices: list[dict[str, Any]] = [{"delta": {"role": "assistant", "content": ""}, "finish_reason": None}]
    choices += [{"delta": {"content": piece}, "finish_reason": None} for piece in pieces]
    choices += [{"delta": {}, "finish_reason": finish}] if finish else []
    lines = [f"data: {json.dumps({'choices': [choice]}, ensure_ascii=False)}\n\n" for choice in choices]
    return (": a comment\n\n" + "".join(lines) + after).encode()


@pytest.fixture
def serve(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[Answer], ServedStreamer]]:
    """Starts a server that answers by a function, and returns a streamer of it."""
    monkeypatch.setattr(streamed, "FIRST_PAUSE", 0.01)
    begun: list[Server] = []

    def start(answer: Answer) -> ServedStreamer:
        begun.append(Server(answer))
        return ServedStreamer(
            Endpoint(model="m", base_url=f"{begun[-1].url}/v1", api_key_env=None, timeout=5)
        )

    yield start
    for server in begun:
        server.close()


def speak(streamer: ServedStreamer, **settings: Any) -> tuple[SpokenText, list[str]]:
    pieces: list[str] = []
    turns = (*user("Hi"), Message("assistant", "Hello."), *user("你好？"))
    said = asyncio.run(streamer.speak(turns, Sampling(**settings), pieces.append))
    return said, pieces


def test_pieces_come_as_they_are_sent_and_the_request_says_all_settings(serve):
    asked: list[Any] = []

    def answer(request: Request) -> Reply:
        asked.append(request.body)
        return Reply(stream("你", "好", "！"), drip=0.0005)  # characters arrive in parts

    said, pieces = speak(serve(answer), max_new_tokens=9, temperature=0.7, seed=5)
    assert said == SpokenText("你好！", Finish.STOP) and pieces == ["你", "好", "！"]
    [body] = asked
    assert body["stream"] is True and [turn["role"] for turn in body["messages"]] == [
        "user",
        "assistant",
        "user",
    ]
    assert {name: body[name] for name in ("model", "max_tokens", "temperature", "seed")} == {
        "model": "m",
        "max_tokens": 9,
        "temperature": 0.7,
        "seed": 5,
    }


def test_a_response_at_its_limit_says_so(serve):
    assert speak(serve(lambda request: Reply(stream("a", finish="length"))))[0].finish is Finish.LENGTH


def test_a_server_that_never_ends_is_cut_off(serve):
    said, pieces = speak(serve(lambda request: Reply(stream(*["word " * 20] * 50))), max_new_tokens=2)
    assert said.finish is Finish.LENGTH and len(said.text) == 2 * streamed.MOST == len("".join(pieces))


def test_a_busy_server_is_asked_again_until_it_answers(serve):
    seen: list[int] = []

    def answer(request: Request) -> Reply:
        seen.append(1)
        return as_json({"detail": "busy"}, 503) if len(seen) < 3 else Reply(stream("yes"))

    assert speak(serve(answer)) == (SpokenText("yes", Finish.STOP), ["yes"])
    assert len(seen) == 3


@pytest.mark.parametrize(
    ("reply", "told", "requests"),
    [
        (lambda: as_json({"detail": "busy"}, 503), "HTTP 503: busy", 3),
        (lambda: Reply(closes=True), "RemoteProtocolError", 3),
        (lambda: as_json({"error": {"message": "no such model"}}, 404), "HTTP 404: no such model", 1),
        (lambda: Reply(stream("half", finish=None, after="")), "ended without a reason", 1),
        (lambda: Reply(b'data: {"error": {"message": "the engine died"}}\n\n'), "the engine died", 1),
        (lambda: Reply(b"data: <html>\n\n"), "no JSON: '<html>'", 1),
        (lambda: Reply(b"data: [1]\n\n"), "no JSON", 1),
    ],
)
def test_a_server_that_fails_is_an_error_that_says_how(serve, reply, told: str, requests: int):
    seen: list[int] = []

    def answer(request: Request) -> Reply:
        seen.append(1)
        return reply()

    with pytest.raises(ModelError, match=told):
        speak(serve(answer))
    assert len(seen) == requests
