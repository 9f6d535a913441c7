import statistics
import threading

import pytest

from truing.core.errors import RewardError
from truing.rewards.mix import Mix, MixScores, Weighted
from truing.rewards.own import FunctionReward, Patience
from truing.rewards.types import Failed, Item, NotMine, Reward, RewardOutcome, ScoredItem, place_of


def fixed(*values: float | None) -> Reward:
    """A reward of these values; None fails."""
    return lambda items: [Failed("no") if value is None else ScoredItem(value) for value in values]


def test_a_weighted_sum(batch: list[Item]):
    mix = Mix([Weighted("a", 1.0, fixed(1, 2, 3, 4)), Weighted("b", -0.5, fixed(2, 2, 0, 0))])
    scores = mix(batch)
    assert scores.totals == [0.0, 1.0, 3.0, 4.0]
    assert scores.failed == 0
    assert scores.metrics() == {
        "rewards/a/mean": 2.5,
        "rewards/a/std": statistics.pstdev([1, 2, 3, 4]),
        "rewards/a/failures": 0.0,
        "rewards/b/mean": 1.0,
        "rewards/b/std": 1.0,
        "rewards/b/failures": 0.0,
    }


def test_a_failure_is_never_a_score(batch: list[Item]):
    """The response without a part has no total, and means are over the others."""
    scores = Mix([Weighted("a", 1.0, fixed(1, None, 3, 5)), Weighted("b", 1.0, fixed(0, 0, 0, 0))], 0.5)(
        batch
    )
    assert scores.totals == [1.0, None, 3.0, 5.0]
    assert scores.failed == 1
    assert scores.metrics()["rewards/a/mean"] == 3.0
    assert scores.metrics()["rewards/a/failures"] == 1.0
    assert scores.metrics()["rewards/b/failures"] == 0.0


def test_a_part_of_weight_zero_is_only_logged(batch: list[Item]):
    scores = Mix(
        [
            Weighted("a", 1.0, fixed(1, 2, 3, 4)),
            Weighted("seen", 0.0, fixed(None, None, None, None)),
        ]
    )(batch)
    assert scores.totals == [1.0, 2.0, 3.0, 4.0]
    assert scores.metrics()["rewards/seen/failures"] == 4.0
    assert "rewards/seen/mean" not in scores.metrics()


def test_what_came_in_is_what_was_scored_and_what_failed(batch: list[Item]):
    scores = Mix([Weighted("a", 1.0, fixed(None, 1, None, 2))], 0.5)(batch)
    assert sum(total is not None for total in scores.totals) + scores.failed == len(batch)


def test_too_many_failures_stop(batch: list[Item]):
    mix = Mix(
        [Weighted("a", 1.0, fixed(None, 1, 2, None)), Weighted("b", 1.0, fixed(1, 1, 1, 1))],
        skip_failed=0.4,
    )
    with pytest.raises(
        RewardError, match="2 of 4 responses have no reward, and at most 40% may fail\n2 of a: no"
    ) as error:
        mix(batch)
    assert error.value.exit_code == 6
    assert "online.skip_failed" in error.value.hint


def test_an_empty_batch():
    assert Mix([Weighted("a", 1.0, fixed())])([]) == MixScores({"a": []}, [])


def test_parts_that_wait_run_side_by_side(batch: list[Item]):
    """Each function waits until the other has begun, and rules run meanwhile."""
    together = threading.Barrier(3, timeout=30)

    def meeting(responses: list[str]) -> list[float]:
        together.wait()
        return [1.0] * len(responses)

    def here(items: list[Item]) -> list[RewardOutcome]:
        assert threading.current_thread() is threading.main_thread()
        together.wait()
        return [ScoredItem(1.0) for _ in items]

    parts = [
        Weighted(title, 1.0, FunctionReward(title, meeting, {}, Patience(retries=0)), waits=True)
        for title in "ab"
    ]
    scores = Mix([*parts, Weighted("c", 1.0, here)])(batch)  # pyright: ignore[reportArgumentType]
    assert scores.totals == [3.0] * 4
    assert list(scores.parts) == ["a", "b", "c"]


def test_one_hanging_part_costs_the_totals_and_not_the_other_parts(batch: list[Item]):
    release = threading.Event()
    hangs = FunctionReward("my:reward", lambda responses: release.wait(30), {}, Patience(timeout=0.1))
    mix = Mix(
        [Weighted("hangs", 1.0, hangs, waits=True), Weighted("a", 1.0, fixed(1, 2, 3, 4))],
        skip_failed=1.0,
    )
    scores = mix(batch)
    release.set()
    assert scores.totals == [None] * 4
    assert scores.metrics()["rewards/a/mean"] == 2.5
    assert "took longer than 0.1 s" in scores.reasons()["hangs"]


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_score_is_a_finite_number(value: float):
    with pytest.raises(ValueError, match="is no score"):
        ScoredItem(value)


def test_places(batch: list[Item]):
    assert place_of(batch[2], 2) == "item 2 (rows.jsonl:2)"
    assert place_of(Item((), "a"), 0) == "item 0"


def partly(*values: float | None) -> Reward:
    """A reward of these values; None is not its to score."""
    return lambda items: [NotMine() if value is None else ScoredItem(value) for value in values]


def test_a_reward_that_a_response_is_not_for_is_left_out_of_it(batch: list[Item]):
    """Two tasks with a reward each: every response has its own task's score."""
    maths, text = (
        Weighted("maths", 1.0, partly(1, 0, None, None)),
        Weighted("text", 0.5, partly(None, None, 1, 2)),
    )
    scores = Mix([maths, text], 0.0)(batch)
    assert scores.totals == [1.0, 0.0, 0.5, 1.0]
    assert scores.metrics() == {
        "rewards/maths/mean": 0.5,
        "rewards/maths/std": 0.5,
        "rewards/maths/failures": 0.0,
        "rewards/maths/not_mine": 2.0,
        "rewards/text/mean": 1.5,
        "rewards/text/std": 0.5,
        "rewards/text/failures": 0.0,
        "rewards/text/not_mine": 2.0,
    }


def test_a_response_that_no_reward_scores_has_failed(batch: list[Item]):
    """Neither has a reward that is only logged, and one that fails is no other's to make up for."""
    parts = [
        Weighted("a", 1.0, partly(1, None, None, 2)),
        Weighted("seen", 0.0, partly(1, 1, 1, 1)),
    ]
    with pytest.raises(RewardError, match="2 that no reward with a weight scores"):
        Mix(parts, 0.4)(batch)
    assert Mix(parts, 0.5)(batch).totals == [1.0, None, None, 2.0]
    assert Mix([*parts, Weighted("b", 1.0, fixed(None, 1, 1, 1))], 0.5)(batch).totals == [
        None,
        1.0,
        1.0,
        3.0,
    ]
