"""A function as the judge of a win rate."""

from collections.abc import Callable
from typing import Any

import pytest

from truing.config.lent import lend
from truing.core.errors import ConfigError, RewardError
from truing.core.records import user
from truing.evals.own_judge import own_judge

PROMPTS = [user("a"), user("b")]


def asked(function: Callable[..., Any], **options: Any) -> list[float | None]:
    return own_judge(lend(function), options)(PROMPTS, ["x", "yy"], ["zz", "y"])


def test_a_judge_is_given_what_its_signature_asks_for():
    def by_length(responses: list[str], others: list[str]) -> list[bool]:
        return [len(ours) > len(theirs) for ours, theirs in zip(responses, others, strict=True)]

    def by_prompt(prompts: list[Any], *, tie: float) -> list[float | None]:
        return [tie if prompt[0]["content"] == "a" else None for prompt in prompts]

    assert asked(by_length) == [0.0, 1.0]
    assert asked(by_prompt, tie=0.5) == [0.5, None]
    assert asked(lambda **given: [float(given.keys() == {"prompts", "responses", "others"}), 0]) == [1.0, 0.0]


@pytest.mark.parametrize(
    ("function", "options"),
    [(lambda texts: [], {}), (lambda responses: [], {"strict": True})],
)
def test_arguments_that_nothing_supplies_are_told(function: Callable[..., Any], options: dict[str, Any]):
    with pytest.raises(ConfigError, match="a judge is given prompts, responses, others") as caught:
        asked(function, **options)
    assert caught.value.hint in ("look at texts", "look at strict")


@pytest.mark.parametrize("returned", [[1], [1, 2], [1, "0"], 1, None, [float("nan"), 0], [10**5000, 0]])
def test_what_is_no_preference_is_told(returned: Any):
    with pytest.raises(RewardError, match="expected a list of 2 numbers from 0 to 1, or None"):
        asked(lambda responses: returned)


@pytest.mark.parametrize("error", [KeyError("gone"), SystemExit("gone"), KeyboardInterrupt("gone")])
def test_a_judge_that_raises_is_told_with_its_words(error: BaseException):
    def broken(responses: list[str]) -> list[float]:
        raise error

    with pytest.raises(RewardError, match=f"raised {type(error).__name__}: '?gone"):
        asked(broken)
