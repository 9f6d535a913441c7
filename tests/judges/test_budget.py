"""What was spent, what is held, and what may still be asked; test_limits.py has judges that keep to it."""

import asyncio

import pytest

from truing.core.errors import RewardError
from truing.judges.budget import Budget, Estimate, Used
from truing.judges.endpoint import Endpoint

TEN = Used(6, 4)


def budget(**limits) -> Budget:
    return Budget(Endpoint(model="m", **limits), "answers.sqlite")


def test_what_was_used_takes_the_place_of_what_was_held():
    one = budget(price_prompt=1e6, price_completion=2e6)
    asyncio.run(one.hold(TEN))
    one.settle(TEN, Used(3, 1))
    assert (one.spent, one.requests, one.cost, one.unreported) == (Used(3, 1), 1, 5.0, 0)
    asyncio.run(one.hold(TEN))
    one.settle(TEN, None)
    assert (one.spent, one.unreported) == (Used(9, 5), 1) and budget().cost is None


@pytest.mark.parametrize(
    ("limits", "said"),
    [
        ({"max_total_tokens": 15}, "has used 10 tokens; one more question may cross max_total_tokens = 15"),
        ({"max_requests": 1}, "has been sent max_requests = 1 requests"),
        ({"max_cost": 12.0, "price_prompt": 1e6, "price_completion": 1e6}, "has cost 10"),
    ],
)
def test_nothing_is_sent_that_could_cross_a_limit(limits: dict, said: str):
    async def twice(one: Budget) -> None:
        await one.hold(TEN)
        one.settle(TEN, TEN)
        await one.hold(TEN)

    with pytest.raises(RewardError, match=said):
        asyncio.run(twice(budget(**limits)))


def test_a_question_waits_for_what_is_under_way():
    async def second_fits_once_the_first_was_small() -> Used:
        one = budget(max_total_tokens=15)
        await one.hold(TEN)
        waiting = asyncio.create_task(one.hold(TEN))
        await asyncio.sleep(0)
        assert not waiting.done()
        one.settle(TEN, Used(1, 1))
        await asyncio.wait_for(waiting, 5)
        return one.spent

    assert asyncio.run(second_fits_once_the_first_was_small()) == Used(1, 1)


def test_kept_answers_are_no_requests():
    assert Estimate(10, 4, TEN, None).requests == 6 and (TEN + TEN - TEN).total == 10
