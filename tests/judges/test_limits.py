"""J1, J3 and more: budgets are not crossed, a server is not overrun, and what a server is gets noticed."""

import asyncio
import math
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from truing.core.errors import ConfigError, RewardError
from truing.core.records import user
from truing.judges.budget import Used
from truing.judges.cache import AnswerCache
from truing.judges.client import Judge
from truing.judges.endpoint import Endpoint
from truing.judges.opinions import NoVerdict
from truing.judges.pace import START, RequestPace
from truing.judges.pairwise import TEMPLATE, Comparison, Pairwise, Verdict, read_template
from truing.judges.pointwise import TEMPLATE as SCORING
from truing.judges.pointwise import Pointwise
from truing.judges.pointwise import read_template as read_scoring

from ..serving import Reply, as_json

MakeEndpoint = Callable[..., Endpoint]
ABCDE = [user(letter) for letter in "abcde"]


def said(text: str, usage: tuple[int, int] | None = (100, 20), **more: Any) -> Reply:
    """A completion with its usage; `more` are further keys, and `logprobs` of the choice."""
    choice = {"message": {"content": text}, "finish_reason": "stop", "logprobs": more.pop("logprobs", None)}
    used = {"prompt_tokens": usage[0], "completion_tokens": usage[1]} if usage else None
    return as_json({"model": "wise", "choices": [choice], "usage": used, **more})


# Budgets


@pytest.mark.parametrize(
    ("options", "most"),
    [
        ({"max_total_tokens": 500}, 500),
        ({"max_cost": 0.0006, "price_prompt": 1.0, "price_completion": 2.0}, math.inf),
    ],
)
def test_a_budget_is_not_crossed_and_the_same_command_goes_on(
    server, endpoint: MakeEndpoint, tmp_path: Path, options: dict[str, Any], most: float
):
    """A question may take 1 + 64 + 64 tokens and 20 of answer; it takes 120, which costs 0.00014."""
    server.script = lambda text, before: said("7")
    cache = AnswerCache(tmp_path / "answers.sqlite")
    judge = Judge(endpoint(max_tokens=20, **options), cache)
    with pytest.raises(RewardError, match="one more question may cross max_") as error:
        judge.ask(ABCDE, float)
    assert error.value.exit_code == 6
    assert str(cache.path) in error.value.hint
    assert judge.budget.spent.total == 120 * len(server.asked) <= most
    assert (judge.budget.cost or 0.0) <= options.get("max_cost", math.inf)
    assert 3 <= len(server.asked) < 5
    again = Judge(endpoint(max_tokens=20, **options), cache)
    assert again.ask(ABCDE, float) == [7.0] * 5
    assert len(server.asked) == 5, "nothing is asked twice"


def test_a_question_waits_for_those_under_way_before_the_budget_is_called_used_up(
    server, endpoint: MakeEndpoint
):
    """Five questions may take 5 x 149 tokens, and take 5 x 10: only at once are they too many."""
    server.script = lambda text, before: said("7", usage=(8, 2))
    judge = Judge(endpoint(max_tokens=20, max_total_tokens=200))
    assert judge.ask(ABCDE, float) == [7.0] * 5
    assert judge.budget.spent == Used(40, 10)
    assert server.most_at_once == 1


def test_what_a_server_does_not_report_counts_as_the_most(server, endpoint: MakeEndpoint):
    server.script = lambda text, before: said("7", usage=None)
    judge = Judge(endpoint(max_tokens=20, max_total_tokens=10_000))
    judge.ask(ABCDE, float)
    assert judge.budget.spent == Used(5 * 129, 5 * 20)
    assert [str(note) for note in judge.notes()] == [
        "wise did not say what 5 requests used: they count with the most that is possible."
    ]


def test_requests_that_were_refused_cost_nothing_and_cut_answers_do(server, endpoint: MakeEndpoint, replies):
    cut = {"choices": [{"message": {"content": "7"}, "finish_reason": "length"}]}
    usage = {"prompt_tokens": 10, "completion_tokens": 20}
    server.script = lambda text, before: (
        replies.error(400) if text == "a" else as_json({**cut, "usage": usage})
    )
    judge = Judge(endpoint(max_total_tokens=10_000))
    judge.ask([user("a"), user("b")], float)
    assert judge.budget.spent == Used(10, 20)


@pytest.mark.parametrize(
    "options", [{"max_cost": 1.0}, {"max_cost": 1.0, "price_prompt": 1.0, "price_completion": None}]
)
def test_money_needs_prices(options: dict[str, Any]):
    with pytest.raises(ConfigError, match="max_cost is set without prices"):
        Endpoint(model="m", **options)


def test_a_dry_run_says_the_most_beforehand(server, endpoint: MakeEndpoint, tmp_path: Path):
    server.script = lambda text, before: said("7")
    cache = AnswerCache(tmp_path / "answers.sqlite")
    judge = Judge(endpoint(max_tokens=20, price_prompt=1.0, price_completion=10.0), cache)
    judge.ask(ABCDE[:2], float)
    found = judge.estimate([*ABCDE, *ABCDE], float)
    assert (found.questions, found.kept, found.requests) == (5, 2, 3)
    assert found.most == Used(3 * 129, 3 * 20)
    assert found.cost == pytest.approx((387 * 1 + 60 * 10) / 1e6)
    assert len(server.asked) == 2
    judge.ask(ABCDE, float)
    assert len(server.asked) == 2 + found.requests
    assert Judge(endpoint()).estimate(ABCDE, float).cost is None


# The pace


def test_the_pace_doubles_halves_and_creeps():
    async def paced() -> list[float]:
        pace, seen = RequestPace(32), []
        entered = 0

        async def answer(count: int) -> None:
            """Answers while every place is taken."""
            nonlocal entered
            for _ in range(count):
                while entered < int(pace.limit):
                    await pace.enter()
                    entered += 1
                pace.answered()

        await answer(START)
        seen.append(pace.limit)
        for _ in range(3):  # under way together: one halving
            pace.overrun(0, 0.0)
        seen.append(pace.limit)
        await answer(4)
        seen.append(pace.limit)
        for at in range(1, 9):
            pace.overrun(at, 0.0)
        seen.append(pace.limit)
        for _ in range(entered):
            pace.leave()
        pace.answered()
        return [*seen, pace.limit]

    doubled, halved, crept, least, idle = asyncio.run(paced())
    assert (doubled, halved, least) == (2 * START, START, 1.0)
    assert halved < crept <= halved + 1
    assert idle == least, "an answer while places are free says nothing"


def test_a_cancelled_wait_gives_its_place_back():
    async def paced() -> int:
        pace = RequestPace(1)
        await pace.enter()
        waiting = [asyncio.create_task(pace.enter()) for _ in range(2)]
        await asyncio.sleep(0)
        waiting[0].cancel()
        pace.leave()
        await asyncio.sleep(0)
        return await asyncio.wait_for(waiting[1], 5)

    assert asyncio.run(paced()) == 0


def test_a_server_that_bears_three_at_once_is_asked_no_faster(server, endpoint: MakeEndpoint, replies):
    refused = 0

    def script(text: str, before: int) -> Reply:
        nonlocal refused
        if server.at_once > 3:
            refused += 1
            return replies.error(429, "slow down")
        return replies.raw(said("7").body, before=lambda: time.sleep(0.01))

    server.script = script
    judge = Judge(endpoint(concurrency=32, retries=9))
    assert judge.ask([user(str(index)) for index in range(80)], float) == [7.0] * 80
    assert judge.pace.overruns >= 1
    assert judge.pace.limit < 16
    assert refused < 40, "32 at once all the way would be refused more often than answered"


def test_retry_after_quiets_all_questions(server, endpoint: MakeEndpoint, replies):
    times: list[float] = []

    def script(text: str, before: int) -> Reply:
        times.append(time.monotonic())
        return said("7") if before else replies.error(429, "slow down", Retry_After="0.7")

    server.script = script
    assert Judge(endpoint(concurrency=1)).ask(ABCDE, float) == [7.0] * 5
    assert times[1] - times[0] >= 0.7


# The connection


def test_connections_are_used_again_by_the_next_call(server, endpoint: MakeEndpoint, monkeypatch):
    made = []
    accept = server.server._server.process_request
    monkeypatch.setattr(
        server.server._server,
        "process_request",
        lambda request, client: (made.append(client), accept(request, client)),
    )
    server.script = lambda text, before: said("7")
    judge = Judge(endpoint())
    for question in ABCDE:
        assert judge.ask([question], float) == [7.0]
    assert len(made) == 1


def test_a_judge_may_be_asked_within_a_loop_as_in_a_notebook(server, endpoint: MakeEndpoint):
    server.script = lambda text, before: said("7")

    async def cell() -> list[Any]:
        return Judge(endpoint()).ask(ABCDE, float)

    assert asyncio.run(cell()) == [7.0] * 5


def test_the_thread_of_a_judge_ends_with_it(server, endpoint: MakeEndpoint):
    server.script = lambda text, before: said("7")
    judge = Judge(endpoint())
    judge.ask(ABCDE, float)
    (thread,) = [each for each in threading.enumerate() if each.name == "judge" and each.is_alive()][-1:]
    del judge
    thread.join(5)
    assert not thread.is_alive()


def test_a_reply_of_5_mb_fails_its_own_question(server, endpoint: MakeEndpoint):
    server.script = lambda text, before: said("7" * 5_000_000 if text == "b" else "7")
    found = Judge(endpoint()).ask(ABCDE[:3], float)
    assert found == [7.0, NoVerdict("the reply is longer than 1 MB"), 7.0]
    assert len(server.asked) == 3, "it is not asked again"


# The model


@pytest.mark.parametrize(
    ("others", "told"),
    [
        ({"model": "wiser"}, "wise answered as several models or builds: wise (3), wiser (2)."),
        ({"system_fingerprint": "fp2"}, "wise answered as several models or builds: wise (3), wise fp2 (2)."),
    ],
)
def test_a_model_that_changes_in_between_is_noticed(
    server, endpoint: MakeEndpoint, tmp_path: Path, others: dict[str, str], told: str
):
    server.script = lambda text, before: said("7", **(others if text in "de" else {}))
    cache = AnswerCache(tmp_path / "answers.sqlite")
    first = Judge(endpoint(), cache)
    first.ask(ABCDE[:3], float)
    assert first.notes() == []
    again = Judge(endpoint(), cache)
    again.ask(ABCDE, float)
    (note,) = again.notes()
    assert str(note).startswith(told), "answers of an earlier start count too"


# Log-probabilities


def tokens(*words: str, **top: float) -> dict[str, Any]:
    """Log-probabilities of an answer in `words`; `top` are probabilities beside the last word but one."""
    content = [{"token": word, "logprob": -0.01, "top_logprobs": []} for word in words]
    chosen = content[-1]
    chosen["logprob"] = math.log(top[words[-1].strip()])
    chosen["top_logprobs"] = [{"token": " " + word, "logprob": math.log(p)} for word, p in top.items()]
    return {"content": content}


def weighed(*words: str, **top: float) -> Reply:
    return said("".join(words), logprobs=tokens(*words, **top))


def compare(judge: Judge) -> Comparison:
    (found,) = Pairwise(judge, "Be kind.", read_template(TEMPLATE))([(user("Why?"), "good", "bad")])
    return found


def test_a_verdict_is_as_sure_as_its_token_in_both_orders(server, endpoint: MakeEndpoint, tmp_path: Path):
    """a first: P(A) .6, a tie .2, of .8 that are values: .875. b first: P(A) .3, which is .7 for a."""

    def script(text: str, before: int) -> Reply:
        if "response A>>\ngood" in text:
            return weighed("A", " is kinder.\n", "VERDICT", ":", " A", A=0.6, T=0.2, The=0.2)
        return weighed("VERDICT", ":", " B", A=0.3, B=0.7)

    server.script = script
    cache = AnswerCache(tmp_path / "answers.sqlite")
    found = compare(Judge(endpoint(top_logprobs=5), cache))
    assert (found.a_first, found.b_first, found.opinion) == (Verdict.FIRST, Verdict.SECOND, 1.0)
    assert found.a_first_wins == pytest.approx((0.6 + 0.1) / 0.8)
    assert found.probability == pytest.approx((0.875 + 0.7) / 2)
    assert server.asked[0]["logprobs"] is True
    assert server.asked[0]["top_logprobs"] == 5
    assert compare(Judge(endpoint(top_logprobs=5), cache)) == found, "what was kept says as much"
    assert len(server.asked) == 2


def test_a_server_without_log_probabilities_gives_the_verdict_alone_and_that_is_said(
    server, endpoint: MakeEndpoint
):
    server.script = lambda text, before: said("VERDICT: A")
    judge = Judge(endpoint(top_logprobs=5))
    found = compare(judge)
    assert (found.a_first_wins, found.probability) == (None, 0.5)
    assert "gave no log-probabilities with 2 answers" in str(judge.notes())


@pytest.mark.parametrize(
    "logprobs",
    [
        {"content": [{"token": "VERDICT"}]},
        {"content": "none"},
        {"content": [{"token": "another text", "logprob": -1.0}]},
        [1, 2],
        {"tokens": ["VERDICT", ":", " A"], "token_logprobs": [0, 0, 0]},
    ],
)
def test_log_probabilities_in_another_form_are_none(server, endpoint: MakeEndpoint, logprobs: Any):
    server.script = lambda text, before: said("VERDICT: A", logprobs=logprobs)
    found = compare(Judge(endpoint(top_logprobs=5)))
    assert found == Comparison(Verdict.FIRST, Verdict.FIRST)


def test_a_token_that_is_no_choice_between_values_has_no_odds(server, endpoint: MakeEndpoint):
    server.script = lambda text, before: weighed("VERDICT", ":", " A", A=0.3, The=0.7)
    assert compare(Judge(endpoint(top_logprobs=5))).a_first_wins is None


def test_tokens_that_end_within_a_character_are_put_together(server, endpoint: MakeEndpoint):
    parts = [b"\xe7\xbb", b"\x93\xe8\xae\xba", "：".encode(), b"A"]
    content = [{"token": "?", "logprob": -0.1, "bytes": list(part)} for part in parts]
    content[-1] |= {"token": "A", "top_logprobs": [{"token": "A", "logprob": math.log(0.5)}]}
    content[-1]["top_logprobs"].append({"token": "B", "logprob": math.log(0.5)})
    content[-1]["logprob"] = math.log(0.5)
    server.script = lambda text, before: said("结论：A", logprobs={"content": content})
    assert compare(Judge(endpoint(top_logprobs=5))).a_first_wins == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("words", "top", "score"),
    [
        (("SCORE", ":", " 7"), {"7": 0.5, "9": 0.25, "8": 0.25}, 7.75),
        (("SCORE", ":", " 10"), {"10": 0.5, "1": 0.5}, 5.5),
        (("SCORE", ":", " 7"), {"7": 0.5, "99": 0.25, "x": 0.25}, 7.0),
    ],
)
def test_a_score_is_what_its_digits_expect(
    server, endpoint: MakeEndpoint, words: tuple[str, ...], top: dict[str, float], score: float
):
    server.script = lambda text, before: weighed(*words, **top)
    judge = Judge(endpoint(top_logprobs=5))
    (found,) = Pointwise(judge, "Be kind.", 1, 10, read_scoring(SCORING))([(user("Why?"), "So.")])
    assert found == pytest.approx((score - 1) / 9)
