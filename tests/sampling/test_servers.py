"""One server: its name, its refusals, and requests that are sent again."""

import asyncio
import time
from collections.abc import Awaitable, Callable

import pytest

from truing.core.errors import ConfigError, ModelError
from truing.sampling import servers
from truing.sampling.servers import (
    TRIES,
    Refused,
    Server,
    ServerDown,
    answers,
    ask,
    ask_once,
    clean_urls,
    explained,
    make_client,
    require_stamp,
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
    assert clean_urls(["http://a:1/v1/", "https://b"]) == ["http://a:1", "https://b"]
    for wrong, said in ((["a:1"], "is no server"), (["http://a", "http://a/v1"], "twice")):
        with pytest.raises(ConfigError, match=said):
            clean_urls(wrong)


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


def done(answer: Callable[..., Reply], work: Callable[..., Awaitable[object]], **state) -> object:
    """Return the result of `work(client, server)` for a server that answers so, or its ServerDown."""
    serving = Serving(answer)

    async def go() -> object:
        async with make_client(5.0) as client:
            return await work(client, Server(serving.url, **state))

    try:
        return asyncio.run(go())
    except ServerDown as down:
        return down
    finally:
        serving.close()


def test_a_question_in_passing_is_asked_once_and_not_waited_for():
    asked: list[str] = []

    def busy(request) -> Reply:
        asked.append(request.path)
        return as_json({}, 503)

    down = done(busy, lambda client, server: ask_once(client, server, "/x"))
    assert isinstance(down, ServerDown) and asked == ["/x"]
    hang = Reply(before=lambda: time.sleep(0.5))
    down = done(lambda request: hang, lambda client, server: ask_once(client, server, "/x", seconds=0.05))
    assert isinstance(down, ServerDown) and str(down) == "no answer within 0.05 s"


@pytest.mark.parametrize(("status", "well"), [(200, True), (404, True), (503, False)])
def test_a_server_says_whether_it_is_well_or_knows_no_such_question(status: int, well: bool):
    assert done(lambda request: as_json({}, status), answers) is well


def test_whole_weights_are_known_by_the_name_the_server_noted():
    def says(name: str) -> Callable[..., Reply]:
        return lambda request: as_json({"weight_version": name})

    assert done(says("step-3"), require_stamp, stamp="step-3", version=3) is None
    assert done(says("default"), require_stamp) is None, "it was never given any"
    down = done(says("default"), require_stamp, stamp="step-3", version=3)
    assert str(down) == "it has lost the weights of step 3: it was started anew"


def test_a_retry_is_made_only_where_it_is_allowed():
    async def never() -> None:
        raise ServerDown("it was started anew")

    down = done(
        lambda request: as_json({}, 503), lambda client, server: ask(client, server, "/x", again=never)
    )
    assert str(down) == "it was started anew"


def test_the_pace_is_a_running_mean_of_responses():
    server = Server("http://a")
    server.measured(100, 1.0)
    server.measured(200, 1.0)
    assert server.pace == pytest.approx(110)
