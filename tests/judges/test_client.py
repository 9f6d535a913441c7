"""J1, J2, J3: whatever a server does, a question has an opinion or a reason; nothing is paid for twice."""

import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from truing.core.errors import RewardError, StorageError
from truing.core.records import user
from truing.judges.cache import AnswerCache
from truing.judges.client import Judge
from truing.judges.endpoint import Endpoint
from truing.judges.opinions import Asker, CountedAsker, NoVerdict, NoVerdictError

from ..serving import as_json

MakeEndpoint = Callable[..., Endpoint]


def read(text: str) -> float:
    """An opinion is a bare number."""
    try:
        return float(text)
    except ValueError:
        raise NoVerdictError(f"{text!r} is no number") from None


def ask(judge: Asker, *texts: str) -> list[Any]:
    return judge.ask([user(text) for text in texts], read)


def reason(judge: Judge) -> str:
    """Return the reason for which the one question that is asked fails."""
    (found,) = ask(judge, "a")
    assert isinstance(found, NoVerdict), found
    return found.reason


def by_text(replies: Any, **answers: Any) -> Any:
    return lambda text, before: replies.text(str(answers[text]))


# What is asked


def test_answers_come_in_the_order_of_the_questions(server, endpoint: MakeEndpoint, replies):
    server.script = by_text(replies, a=1, b=2, c=3)
    assert ask(Judge(endpoint()), "c", "a", "b") == [3.0, 1.0, 2.0]


def test_what_the_server_receives(server, endpoint: MakeEndpoint, replies):
    ask(Judge(endpoint(max_tokens=9)), "a")
    assert server.asked == [
        {
            "model": "wise",
            "messages": [{"role": "user", "content": "a"}],
            "max_tokens": 9,
            "temperature": 0.0,
            "seed": 0,
        }
    ]
    assert server.headers[0]["authorization"] == f"Bearer {replies.key}"
    ask(Judge(endpoint(temperature=None, seed=None, api_key_env=None)), "a")
    assert set(server.asked[1]) == {"model", "messages", "max_tokens"}
    assert replies.key not in str(server.headers[1]), "a key from the environment is not sent unasked"


def test_equal_questions_are_asked_once(server, endpoint: MakeEndpoint, replies):
    server.script = lambda text, before: replies.text(str(before))
    assert ask(Judge(endpoint()), "a", "a", "a") == [0.0, 0.0, 0.0]
    assert len(server.asked) == 1


def test_no_more_requests_at_once_than_allowed(server, endpoint: MakeEndpoint, replies):
    server.script = lambda text, before: replies.raw(replies.text("1").body, before=lambda: time.sleep(0.05))
    ask(Judge(endpoint(concurrency=3)), *"abcdefghijkl")
    assert len(server.asked) == 12
    assert server.most_at_once == 3


def test_nothing_to_ask(server, endpoint: MakeEndpoint):
    assert ask(Judge(endpoint())) == []
    assert server.asked == []


# What passes


def test_429_is_waited_for_as_long_as_it_asks(server, endpoint: MakeEndpoint, replies):
    server.script = lambda text, before: (
        replies.text("7") if before else replies.error(429, "slow down", Retry_After="1.2")
    )
    start = time.monotonic()
    assert ask(Judge(endpoint()), "a") == [7.0]
    assert time.monotonic() - start >= 1.2
    assert len(server.asked) == 2


@pytest.mark.parametrize("status", [408, 409, 429, 500, 503])
def test_an_error_that_lasts_fails_after_every_try(server, endpoint: MakeEndpoint, replies, status: int):
    server.script = lambda text, before: replies.error(status, "not now")
    assert reason(Judge(endpoint())) == f"{status} not now; asked 2 times"
    assert len(server.asked) == 2


def test_a_reply_that_is_no_completion_is_asked_again(server, endpoint: MakeEndpoint, replies):
    html = replies.raw(b"<html>gateway</html>", headers={"Content-Type": "text/html"})
    server.script = lambda text, before: replies.text("7") if before else html
    assert ask(Judge(endpoint()), "a") == [7.0]
    server.script = lambda text, before: replies.raw(b'{"choices": []}')
    assert "the reply is no chat completion: b'{\"choices\": []}'; asked 2" in reason(Judge(endpoint()))


def test_a_hang_is_cut_off_and_the_others_are_answered(server, endpoint: MakeEndpoint, replies):
    hang = replies.raw(b"", before=lambda: server.released.wait(30))
    server.script = lambda text, before: hang if text == "stuck" else replies.text("1")
    start = time.monotonic()
    found = ask(Judge(endpoint(timeout=0.5, retries=0)), "a", "stuck", "b")
    assert found == [1.0, NoVerdict("no answer within 0.5 s"), 1.0]
    assert time.monotonic() - start < 10


def test_a_server_that_is_not_there(endpoint: MakeEndpoint):
    said = reason(Judge(endpoint(base_url="http://127.0.0.1:1/v1", retries=0)))
    assert said.startswith("the connection failed: ")


def test_a_connection_that_breaks_off_in_the_middle(server, endpoint: MakeEndpoint, replies):
    whole = replies.text("7")
    torn = replies.raw(whole.body[:20], headers={"Content-Length": "5000", "Connection": "close"})
    server.script = lambda text, before: whole if before else torn
    assert ask(Judge(endpoint()), "a") == [7.0]


def test_a_slow_drip_is_cut_off(server, endpoint: MakeEndpoint, replies):
    server.script = lambda text, before: replies.raw(replies.text("7").body, drip=0.1)
    start = time.monotonic()
    assert reason(Judge(endpoint(timeout=0.5, retries=0))) == "no answer within 0.5 s"
    assert time.monotonic() - start < 5


def test_a_wait_that_is_too_long_is_not_waited_for(server, endpoint: MakeEndpoint, replies):
    server.script = lambda text, before: replies.error(429, "slow down", Retry_After="3600")
    assert reason(Judge(endpoint())) == "429 slow down; it asks to wait 3600 s"
    assert len(server.asked) == 1


# What does not


@pytest.mark.parametrize(
    ("reply", "told"),
    [
        (("", {}), "the answer is empty"),
        ((None, {}), "the answer is empty"),
        (("nothing", {}), "'nothing' is no number"),
        (("1", {"finish": "length"}), "the answer is cut off at max_tokens"),
        (("1", {"finish": "content_filter"}), "withheld by the server's filter"),
        ((None, {"refusal": "I must not."}), "the model refuses: 'I must not.'"),
    ],
)
def test_an_answer_without_an_opinion_fails_and_is_not_asked_again(
    server, endpoint: MakeEndpoint, replies, reply: tuple[str | None, dict[str, str]], told: str
):
    server.script = lambda text, before: replies.text(reply[0], **reply[1])
    assert told in reason(Judge(endpoint()))
    assert len(server.asked) == 1


@pytest.mark.parametrize("status", [400, 403, 422])
def test_a_question_that_the_server_refuses_fails_alone(server, endpoint: MakeEndpoint, replies, status: int):
    server.script = lambda text, before: (
        replies.error(status, "too long") if text == "b" else replies.text("1")
    )
    assert ask(Judge(endpoint()), "a", "b", "c") == [1.0, NoVerdict(f"{status} too long"), 1.0]
    assert len(server.asked) == 3


@pytest.mark.parametrize(
    ("status", "code", "hint"),
    [
        (401, None, "api_key_env"),
        (402, None, "nothing left"),
        (404, None, "base_url"),
        (429, "insufficient_quota", "nothing left"),
    ],
)
def test_what_no_question_survives_ends_the_run_at_once(
    server, endpoint: MakeEndpoint, replies, status: int, code: str | None, hint: str
):
    server.script = lambda text, before: replies.error(status, f"bad\n{replies.key}", code)
    with pytest.raises(RewardError, match=rf"does not answer as 'wise': {status} bad \*\*\*") as error:
        ask(Judge(endpoint(concurrency=2)), *"abcdefgh")
    assert hint in error.value.hint
    assert error.value.exit_code == 6
    assert len(server.asked) <= 2, "those on their way, and none after"
    assert replies.key not in "".join(traceback.format_exception(error.value)), "X7"


def test_a_failure_does_not_tell_the_key(server, endpoint: MakeEndpoint, replies):
    server.script = lambda text, before: replies.error(500, f"cannot look up {replies.key}")
    assert reason(Judge(endpoint(retries=0))) == "500 cannot look up ***"


# The budget


def test_a_budget_stops_and_what_was_paid_for_is_kept(
    server, endpoint: MakeEndpoint, replies, tmp_path: Path
):
    server.script = lambda text, before: replies.text(str(before))
    cache = AnswerCache(tmp_path / "answers.sqlite")
    with pytest.raises(RewardError, match="has been sent max_requests = 3 requests") as error:
        ask(Judge(endpoint(max_requests=3), cache), *"abcde")
    assert error.value.exit_code == 6
    assert str(cache.path) in error.value.hint
    assert len(server.asked) == 3
    assert sorted(ask(Judge(endpoint(max_requests=3), cache), *"abcde")) == [0.0, 1.0, 2.0, 3.0, 4.0]
    assert len(server.asked) == 5


def test_retries_count(server, endpoint: MakeEndpoint, replies):
    server.script = lambda text, before: replies.error(500)
    with pytest.raises(RewardError, match="max_requests = 2"):
        ask(Judge(endpoint(max_requests=2, retries=5)), "a")
    assert len(server.asked) == 2


def test_every_question_is_counted_once_however_it_ends(
    server, endpoint: MakeEndpoint, replies, tmp_path: Path
):
    script = by_text(replies, a=1, b="Hm.", c=3)
    server.script = lambda text, before: (
        replies.error(400) if text == "d" else replies.error(500) if before < 2 else script(text, before)
    )
    seen: list[int] = []
    judge = Judge(endpoint(retries=2), AnswerCache(tmp_path / "answers.sqlite"))
    counted = CountedAsker(judge, lambda: seen.append(1))
    found = ask(counted, "a", "b", "c", "d", "a")
    assert [isinstance(one, NoVerdict) for one in found] == [False, True, False, True, False]
    assert len(seen) == 5
    ask(counted, "a", "b", "c", "d")
    assert len(seen) == 9, "also those that are kept, and those that are asked again"


# Texts


def test_a_text_may_be_cut_off_and_an_opinion_on_the_same_question_may_not(
    server, endpoint: MakeEndpoint, tmp_path: Path
):
    choice = {"message": {"content": "7"}, "finish_reason": "length"}
    server.script = lambda text, before: as_json({"choices": [choice]})
    judge = Judge(endpoint(top_logprobs=5), AnswerCache(tmp_path / "answers.sqlite"))
    how = {"temperature": 1.0, "seed": 8, "top_logprobs": 0}
    written = judge.write([user("a"), user("b")], 2, lambda text: (str(text), text.cut), **how)
    assert written == [[("7", True)] * 2] * 2
    assert sorted((one["messages"][0]["content"], one["seed"]) for one in server.asked) == [
        ("a", 8), ("a", 9), ("b", 8), ("b", 9),
    ]  # fmt: skip
    assert all("logprobs" not in one and one["temperature"] == 1.0 for one in server.asked)
    assert judge.unweighed == 0, "nothing was asked for beside the texts"
    same = Judge(endpoint(temperature=1.0, seed=8), judge.cache)
    assert ask(same, "a") == [NoVerdict("the answer is cut off at max_tokens")]
    assert len(server.asked) == 5


# The cache


def test_the_second_time_nothing_is_asked(server, endpoint: MakeEndpoint, replies, tmp_path: Path):
    server.script = by_text(replies, a=1, b=2)
    cache = AnswerCache(tmp_path / "answers.sqlite")
    first = ask(Judge(endpoint(), cache), "a", "b")
    assert ask(Judge(endpoint(), cache), "b", "a") == first[::-1]
    assert len(server.asked) == 2


@pytest.mark.parametrize("change", [{"model": "other"}, {"seed": 1}, {"max_tokens": 5}, {"temperature": 1.0}])
def test_another_request_is_another_answer(
    server, endpoint: MakeEndpoint, replies, tmp_path: Path, change: dict[str, Any]
):
    server.script = lambda text, before: replies.text(str(before))
    cache = AnswerCache(tmp_path / "answers.sqlite")
    assert ask(Judge(endpoint(), cache), "a") == [0.0]
    assert ask(Judge(endpoint(**change), cache), "a") == [1.0]


def test_patience_and_speed_are_no_part_of_a_request(server, endpoint: MakeEndpoint, tmp_path: Path, replies):
    server.script = by_text(replies, a=1)
    cache = AnswerCache(tmp_path / "answers.sqlite")
    ask(Judge(endpoint(), cache), "a")
    assert ask(Judge(endpoint(timeout=5.0, retries=0, concurrency=1, max_requests=1), cache), "a") == [1.0]
    assert len(server.asked) == 1


def test_failures_are_asked_again(server, endpoint: MakeEndpoint, replies, tmp_path: Path):
    cache = AnswerCache(tmp_path / "answers.sqlite")
    judge = Judge(endpoint(retries=0), cache)
    for bad in (replies.error(500), replies.text("nothing"), replies.text("")):
        server.script = lambda text, before, bad=bad: bad if text == "b" else replies.text("1")
        first, second = ask(judge, "a", "b")
        assert first == 1.0
        assert isinstance(second, NoVerdict)
    server.script = lambda text, before: replies.text("2")
    assert ask(judge, "a", "b") == [1.0, 2.0]
    assert len(server.asked) == 1 + 3 + 1


ENDLESS = """
import sys
from pathlib import Path
from truing.core.records import user
from truing.judges.cache import AnswerCache
from truing.judges.client import Judge
from truing.judges.endpoint import Endpoint
judge = Judge(Endpoint(model="wise", base_url=sys.argv[1], concurrency=2), AnswerCache(Path(sys.argv[2])))
judge.ask([user(str(i)) for i in range(40)], float)
"""


def test_a_run_that_is_killed_goes_on_where_it_was(server, endpoint: MakeEndpoint, replies, tmp_path: Path):
    path = tmp_path / "answers.sqlite"
    enough = threading.Event()

    def script(text: str, before: int):
        if before == 20:
            enough.set()
        return replies.raw(replies.text(text).body, before=lambda: time.sleep(0.02))

    server.script = script
    process = subprocess.Popen([sys.executable, "-c", ENDLESS, server.url, str(path)])
    assert enough.wait(60)
    process.kill()
    process.wait()
    found = ask(Judge(endpoint(), AnswerCache(path)), *map(str, range(40)))
    assert found == [float(i) for i in range(40)]
    assert len(server.asked) <= 40 + 2, "no more than those on their way are asked again"


def test_the_key_is_in_no_file_and_no_log(
    server, endpoint: MakeEndpoint, replies, tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    caplog.set_level("DEBUG")
    for name in ("httpcore2", "httpx2"):
        caplog.set_level("DEBUG", name)
    server.script = by_text(replies, a=1)
    ask(Judge(endpoint(), AnswerCache(tmp_path / "answers.sqlite")), "a")
    written = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    assert written
    assert replies.key.encode() not in written
    assert caplog.text
    assert replies.key not in caplog.text


def test_a_cache_that_cannot_be_written_stops_before_more_is_paid_for(
    server, endpoint: MakeEndpoint, replies, tmp_path: Path
):
    class Full(AnswerCache):
        def put_all(self, answers: Any) -> None:
            raise StorageError("full")

    server.script = lambda text, before: replies.text("1")
    with pytest.raises(StorageError):
        ask(Judge(endpoint(concurrency=1), Full(tmp_path / "answers.sqlite")), *"abc")
    assert len(server.asked) == 1
