"""J6: whatever a function of one's own does, every response gets a score or a reason that names both."""

import asyncio
import threading
import time
from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from truing.config.lent import lend
from truing.core.errors import ConfigError
from truing.core.records import user
from truing.rewards.own import FunctionReward, Patience, own_reward
from truing.rewards.types import Failed, Item, NotMine, RewardOutcome, ScoredItem

AT_ONCE = {"backoff": 0.0}


def run(function: Callable[..., Any], items: list[Item], **options: Any) -> list[RewardOutcome]:
    patience = {key: options.pop(key) for key in ("timeout", "retries", "backoff") if key in options}
    return FunctionReward("my:reward", function, options, Patience(**{**AT_ONCE, **patience}))(items)


def reasons(outcomes: list[RewardOutcome]) -> list[str]:
    assert all(isinstance(one, Failed) for one in outcomes), outcomes
    return [one.reason for one in outcomes if isinstance(one, Failed)]


# What a function is given


def test_a_function_gets_what_its_signature_asks_for(batch: list[Item]):
    seen: dict[str, Any] = {}

    def reward(prompts, responses, level, *, factor=2.0):
        seen.update(locals())
        return [factor * one for one in level]

    assert run(reward, batch) == [ScoredItem(2.0), ScoredItem(2.0), ScoredItem(4.0), ScoredItem(4.0)]
    assert seen["prompts"] == [[{"role": "user", "content": "Why?"}]] * 4
    assert seen["responses"] == ["one", "two", "three", "four"]
    assert run(reward, batch, factor=3) == [
        ScoredItem(3.0),
        ScoredItem(3.0),
        ScoredItem(6.0),
        ScoredItem(6.0),
    ]


def test_a_reward_function_written_for_trl_runs_as_it_is(batch: list[Item]):
    def reward(completions, **kwargs):
        assert kwargs["tag"] == [None, None, "odd", "odd"]
        assert kwargs["reference"] == ["1", "1", "3", "3"]
        assert kwargs["category"] == ["count", "count", None, None]
        return [float(len(one[0]["content"])) for one in completions]

    assert run(reward, batch) == [ScoredItem(3.0), ScoredItem(3.0), ScoredItem(5.0), ScoredItem(4.0)]


def test_a_column_that_no_row_has(batch: list[Item]):
    def reward(responses, solution):
        return [0.0] * len(responses)

    assert "asks for 'solution', and no row has such a field" in reasons(run(reward, batch))[0]

    def easier(responses, solution=None):
        return [float(solution is None)] * len(responses)

    assert run(easier, batch) == [ScoredItem(1.0)] * 4


def test_nothing_is_called_for_an_empty_batch():
    assert run(lambda responses: 1 / 0, []) == []


def test_a_coroutine_keeps_its_event_loop(batch: list[Item]):
    loops = set()

    async def reward(responses):
        loops.add(asyncio.get_running_loop())
        await asyncio.sleep(0)
        return [1.0] * len(responses)

    mine = FunctionReward("my:reward", reward, {}, Patience())
    assert mine(batch) == mine(batch) == [ScoredItem(1.0)] * 4
    assert len(loops) == 1


# What a function may do wrong


def test_raises_once(batch: list[Item]):
    calls = []

    def reward(responses):
        calls.append(time.monotonic())
        if len(calls) == 1:
            raise ConnectionError("reset")
        return [1.0] * len(responses)

    assert run(reward, batch, backoff=0.2) == [ScoredItem(1.0)] * 4
    assert len(calls) == 2
    assert calls[1] - calls[0] >= 0.2


@pytest.mark.parametrize(
    "error", [ConnectionError("down"), TimeoutError("slow"), KeyError("x"), SystemExit(3)]
)
def test_raises_always(batch: list[Item], error: BaseException):
    calls = []

    def reward(responses):
        calls.append(1)
        raise error

    said = reasons(run(reward, batch, retries=2))
    assert len(calls) == 3
    for index, text in enumerate(said):
        assert text.startswith(f"my:reward on item {index} (rows.jsonl:{index // 2 + 1}): raised ")
        assert type(error).__name__ in text
        assert "test_own.py:" in text


@pytest.mark.parametrize("error", [TimeoutError("slow"), asyncio.CancelledError()])
def test_a_coroutine_that_raises_is_tried_again(batch: list[Item], error: BaseException):
    calls = []

    async def reward(responses):
        calls.append(1)
        raise error

    assert type(error).__name__ in reasons(run(reward, batch, retries=1))[0]
    assert len(calls) == 2


def test_hangs(batch: list[Item]):
    """Cut off and not tried again."""
    calls, release = [], threading.Event()

    def reward(responses):
        calls.append(1)
        release.wait(30)

    start = time.monotonic()
    said = reasons(run(reward, batch, timeout=0.1))
    assert time.monotonic() - start < 10
    assert said[2] == "my:reward on item 2 (rows.jsonl:2): took longer than 0.1 s"
    assert len(calls) == 1
    release.set()


def test_a_coroutine_that_hangs_is_cancelled(batch: list[Item]):
    ended = []

    async def reward(responses):
        try:
            await asyncio.sleep(30)
        finally:
            ended.append(1)

    assert "took longer than 0.1 s" in reasons(run(reward, batch, timeout=0.1))[0]
    assert ended == [1]


def test_a_coroutine_that_blocks_does_not_spoil_the_next_call(batch: list[Item]):
    release, calls = threading.Event(), []

    async def reward(responses):
        calls.append(1)
        if len(calls) == 1:
            release.wait(30)
        return [1.0] * len(responses)

    mine = FunctionReward("my:reward", reward, {}, Patience(timeout=0.1))
    assert "took longer" in reasons(mine(batch))[0]
    assert mine(batch) == [ScoredItem(1.0)] * 4
    release.set()


@pytest.mark.parametrize(
    "value",
    [
        float("nan"),
        float("inf"),
        -float("inf"),
        "1.0",
        [1.0],
        {},
        Decimal(1),
        1j,
        10**400,
        torch.tensor([1.0]),
    ],
    ids=repr,
)
def test_one_value_that_is_no_number_fails_alone(batch: list[Item], value: object):
    outcomes = run(lambda responses: [1.0, value, 0, True], batch)
    assert outcomes[0] == ScoredItem(1.0)
    assert outcomes[2:] == [ScoredItem(0.0), ScoredItem(1.0)]
    assert isinstance(outcomes[1], Failed)
    assert outcomes[1].reason.startswith("my:reward on item 1 (rows.jsonl:1): returned ")


@pytest.mark.parametrize(
    ("value", "told"),
    [
        ([1.0] * 3, "returned 3 values for 4 responses"),
        ([1.0] * 5, "returned 5 values for 4 responses"),
        ([], "returned 0 values for 4 responses"),
        (1.0, "returned 1.0 (float), expected a list of 4 numbers"),
        (None, "returned None (NoneType), expected a list"),
        ("1234", "returned '1234' (str), expected a list"),
        ({"a": 1}, "(dict), expected a list"),
        ((one for one in range(4)), "(generator), expected a list"),
        (torch.ones(()), "returned 1.0 (float), expected a list"),
    ],
)
def test_what_is_no_list_of_that_length_fails_for_all(batch: list[Item], value: object, told: str):
    said = reasons(run(lambda responses: value, batch))
    assert len(said) == 4
    assert all(told in text for text in said)


@pytest.mark.parametrize(
    "value",
    [
        (1, 2, 3, 4),
        np.array([1, 2, 3, 4], dtype=np.float32),
        torch.tensor([1, 2, 3, 4], dtype=torch.bfloat16),
        [torch.tensor(1.0), np.float32(2), np.int64(3), Fraction(4)],
    ],
    ids=["tuple", "array", "tensor", "scalars"],
)
def test_numbers_of_many_kinds(batch: list[Item], value: object):
    assert run(lambda responses: value, batch) == [
        ScoredItem(1.0),
        ScoredItem(2.0),
        ScoredItem(3.0),
        ScoredItem(4.0),
    ]


# By name


@pytest.fixture
def mine(tmp_path, monkeypatch: pytest.MonkeyPatch) -> str:
    name = f"mine_{tmp_path.name}".replace("-", "_")
    (tmp_path / f"{name}.py").write_text(
        "def plain(responses, level, bonus: float = 0.5, **columns):\n    return [bonus] * len(responses)\n"
    )
    monkeypatch.chdir(tmp_path)
    return f"{name}:plain"


def test_a_function_by_name_with_options(batch: list[Item], mine: str):
    reward = own_reward(mine, {"bonus": 2, "timeout": 5.0})
    assert reward(batch) == [ScoredItem(2.0)] * 4
    assert (reward.patience.timeout, reward.patience.retries) == (5.0, 2)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"bonis": 1.0}, "did you mean 'bonus'"),
        ({"bonus": "much"}, "bonus of the reward .* is 'much'"),
        ({"timeout": 0}, "timeout of the reward .* greater than 0"),
        ({"retries": -1}, "retries of the reward"),
        ({"responses": ["a"]}, "not 'responses'"),
    ],
)
def test_options_of_a_function_by_name(mine: str, options: dict[str, Any], told: str):
    with pytest.raises(ConfigError, match=told):
        own_reward(mine, options)


def test_a_builtin_without_a_signature():
    with pytest.raises(ConfigError, match="does not say what its arguments are"):
        own_reward(lend(max), {})


# Functions written for TRL


def item(response: str, prompt: object = "Why?", **columns: object) -> Item:
    return Item(user("Why?"), response, columns={"prompt": prompt, **columns})


def test_none_is_not_this_rewards_to_score():
    def maths_only(completions, kind, **kwargs):
        return [1.0 if one == "maths" else None for one in kind]

    found = run(maths_only, [item("2", kind="maths"), item("tea", kind="text")])
    assert found == [ScoredItem(1.0), NotMine()]


def measures(completions, **kwargs):
    return [float(len(one)) for one in completions]


def searches(completions, **kwargs):
    return [float("The" in one) for one in completions]


def compares(completions, answer, **kwargs):
    return [float(one == right) for one, right in zip(completions, answer, strict=True)]


def begins(completions, **kwargs):
    return [float(one.startswith("The")) for one in completions]


def asks_with(completions, **kwargs):
    return [float(f"Is this right? {one}"[-1] == ".") for one in completions]


@pytest.mark.parametrize("function", [measures, searches, compares, begins, asks_with])
def test_a_function_that_takes_turns_for_text_is_told_and_scores_nothing(function: Callable[..., Any]):
    (said,) = reasons(run(function, [item("The Elbe.", answer="The Elbe.")], retries=0))
    assert "list of messages and no text" in said
    assert "`responses`" in said
    assert "(test_own.py:" in said


def test_a_function_that_says_text_is_given_text():
    def annotated(prompts: list[str], completions: list[str], **kwargs) -> list[float]:
        return [float(len(prompt) + len(one)) for prompt, one in zip(prompts, completions, strict=True)]

    assert run(annotated, [item("four")]) == [ScoredItem(8.0)]


def test_rows_of_messages_give_the_lists_that_trl_gives():
    asked = [{"role": "user", "content": "Why?"}]
    assert run(measures, [item("The Elbe.", prompt=asked)]) == [ScoredItem(1.0)]


@pytest.mark.parametrize("name", ["completion_ids", "trainer_state"])
def test_what_cannot_be_given_is_told_before_anything_is_sampled(tmp_path, monkeypatch, name: str):
    (tmp_path / f"asks_{name}.py").write_text(f"def reward(completions, {name}):\n    return [0.0]\n")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError, match=f"asks for '{name}', which is not given"):
        own_reward(f"asks_{name}:reward", {})


def test_a_column_that_no_row_of_the_run_has_is_told_before_anything_is_sampled():
    def reward(completion, solution):
        return [0.0]

    mine = FunctionReward("my:reward", reward, {"completion": 1}, Patience())
    mine.require_columns({"prompt", "solution"})
    with pytest.raises(
        ConfigError, match="asks for 'solution', and no row has such a field; there are kind, prompt"
    ):
        mine.require_columns({"prompt", "kind"})
    with pytest.raises(ConfigError, match="asks for 'completion'") as caught:
        FunctionReward("my:reward", reward, {}, Patience()).require_columns({"prompt"})
    assert caught.value.hint == "a function gets the whole batch: completions"


EXAMPLES = Path(__file__).parents[2] / "examples"
ROW = {"kind": "maths", "level": "3", "topic": "tea"}
ASKED = [
    Item(user("What is 2 + 3, please?"), "It is 5.", reference="5", columns=ROW),
    Item(
        user("A line on tea?"),
        "Please take some tea, it is hot.",
        reference="none",
        columns=ROW | {"kind": "text"},
    ),
]


@pytest.mark.parametrize(
    ("name", "scores"),
    [
        ("short", [1.0, 1.0]),
        ("polite", [0.0, 1.0]),
        ("brief", [1.0, 0.0]),
        ("right", [1.0, 0.0]),
        ("level", [6.0, 6.0]),
        ("named", [0.0, 1.0]),
        ("maths", [1.0, None]),
        ("prose", [None, 0.8]),
    ],
)
def test_the_examples_of_the_documentation(monkeypatch, name: str, scores: list[float | None]):
    monkeypatch.syspath_prepend(EXAMPLES)
    mine = own_reward(f"reward_functions:{name}", {"factor": 2.0} if name == "level" else {})
    assert mine(ASKED) == [NotMine() if score is None else ScoredItem(score) for score in scores]
