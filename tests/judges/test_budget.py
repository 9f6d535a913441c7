"""J3: a budget is not crossed, what was paid for is kept, and the same command goes on."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from truing.core.errors import RewardError
from truing.core.records import user
from truing.judges.budget import Used
from truing.judges.cache import AnswerCache
from truing.judges.client import Judge
from truing.judges.endpoint import Endpoint

from ..serving import as_json
from .said import said

ABCDE = [user(letter) for letter in "abcde"]
MakeEndpoint = Callable[..., Endpoint]


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
