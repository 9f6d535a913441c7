"""One server: its name, its refusals, and requests that are sent again."""

import asyncio
from collections.abc import Callable

import pytest

from truing.core.errors import ConfigError, ModelError
from truing.sampling import servers
from truing.sampling.servers import (
    TRIES,
    Refused,
    Server,
    ServerDown,
    ask,
    explained,
    make_client,
    parse_servers,
)

from ..serving import Reply, as_json
from ..serving import Server as Serving


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(servers, "FIRST_PAUSE", 0.001)


def asked(answers: Callable[[int], Reply]) -> tuple[object, int]:
    """Return the result of `ask` for answers by the number of the request, and how many it sent."""
    count = 0

    def reply(request) -> Reply:
        nonlocal count
        count += 1
        return answers(count)

    async def go(url: str) -> object:
        async with make_client(5.0) as client:
            return (await ask(client, Server(url), "/x", {})).json()

    serving = Serving(reply)
    try:
        return asyncio.run(go(serving.url)), count
    except (Refused, ServerDown) as error:
        return error, count
    finally:
        serving.close()


def test_an_address_is_cleaned_and_given_once():
    assert [one.url for one in parse_servers(["http://a:1/v1/", "https://b"])] == ["http://a:1", "https://b"]
    for wrong, said in ((["a:1"], "is no server"), (["http://a", "http://a/v1"], "twice"), ([], "no server")):
        with pytest.raises(ConfigError, match=said):
            parse_servers(wrong)


def test_failures_in_passing_are_asked_again_until_the_server_is_down():
    found, count = asked(lambda n: as_json({}, 503) if n < TRIES else as_json({"ok": n}))
    assert (found, count) == ({"ok": TRIES}, TRIES)
    down, count = asked(lambda n: as_json({"error": {"message": "dead"}}, 500))
    assert isinstance(down, ServerDown) and count == TRIES and "HTTP 500: dead" in str(down)


def test_a_refusal_is_told_at_once():
    refused, count = asked(lambda n: as_json({"detail": "no such thing"}, 404))
    assert isinstance(refused, Refused) and (refused.status, refused.message, count) == (
        404,
        "no such thing",
        1,
    )


def test_a_missing_key_is_a_mistake_of_the_settings():
    error = explained(Server("http://a"), Refused(401, "key?"))
    assert isinstance(error, ConfigError) and "VLLM_API_KEY" in error.hint
    assert isinstance(explained(Server("http://a"), Refused(400, "bad")), ModelError)


def test_the_newest_weights_are_asked_for_by_name():
    assert Server("u", model="base").serving == "base"
    assert Server("u", model="base", adapter="truing-1").serving == "truing-1"
