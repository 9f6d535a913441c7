"""J6: of forty functions that go wrong, each ends in a message that names it and the row, and in no score."""

import asyncio
import io
import os
import sys
import threading
from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
import torch

from truing.core.records import user
from truing.rewards.own import FunctionReward, Patience
from truing.rewards.types import Failed, Item, ScoredItem

ITEMS = [Item(user("Why?"), text, place=f"rows.jsonl:{place}") for place, text in enumerate("abc", 1)]
release = threading.Event()


class Speechless(Exception):
    def __str__(self) -> str:
        raise ValueError("no words")


class Unshown:
    def __repr__(self) -> str:
        raise RecursionError("no words")


class Strange(float):
    def __float__(self) -> float:
        raise ValueError("no number")


class Endless(list):
    def __len__(self) -> int:
        raise OSError("no length")


class Unlisted:
    def tolist(self) -> list[float]:
        raise TypeError("no list")


class Masked:
    def __getattr__(self, name: str) -> Any:
        raise ZeroDivisionError(f"no {name}")


def raises(error: BaseException) -> Callable[..., Any]:
    def reward(responses: list[str]) -> list[float]:
        raise error

    return reward


def awaits(error: BaseException) -> Callable[..., Any]:
    async def reward(responses: list[str]) -> list[float]:
        await asyncio.sleep(0)
        raise error

    return reward


def returns(value: Any) -> Callable[..., Any]:
    return lambda responses: value


def deeper(responses: list[str]) -> list[float]:
    return deeper(responses)


def yields(responses: list[str]) -> Any:
    yield from [1.0] * len(responses)


async def streams(responses: list[str]) -> Any:
    yield 1.0


def hangs(responses: list[str]) -> list[float]:
    release.wait(30)
    return [1.0] * len(responses)


def hangs_in_its_result(responses: list[str]) -> Any:
    class Slow(list):
        def __len__(self) -> int:
            release.wait(30)
            return 3

    return Slow([1.0, 1.0, 1.0])


# What a function does that has no score at all, and words of the reason.
ALL = {
    "KeyboardInterrupt": (raises(KeyboardInterrupt()), "raised KeyboardInterrupt"),
    "SystemExit": (raises(SystemExit(3)), "raised SystemExit: 3"),
    "SystemExit without a code": (raises(SystemExit()), "raised SystemExit"),
    "GeneratorExit": (raises(GeneratorExit()), "raised GeneratorExit"),
    "StopIteration": (raises(StopIteration(3)), "raised StopIteration: 3"),
    "BaseException": (raises(BaseException("base")), "raised BaseException: base"),
    "MemoryError": (raises(MemoryError()), "raised MemoryError"),
    "CancelledError": (raises(asyncio.CancelledError()), "raised CancelledError"),
    "a group": (raises(BaseExceptionGroup("two", [KeyboardInterrupt()])), "raised BaseExceptionGroup: two"),
    "no words": (raises(Speechless()), "raised Speechless: (its text cannot be shown: ValueError)"),
    "too many words": (raises(ValueError("x" * 1_000_000)), "raised ValueError: xxx"),
    "half a character": (raises(ValueError("\ud800")), "raised ValueError: \\ud800"),
    "recursion": (deeper, "raised RecursionError"),
    "KeyboardInterrupt, awaited": (awaits(KeyboardInterrupt()), "raised KeyboardInterrupt"),
    "SystemExit, awaited": (awaits(SystemExit(3)), "raised SystemExit: 3"),
    "GeneratorExit, awaited": (awaits(GeneratorExit()), "raised GeneratorExit"),
    "a hang": (hangs, "took longer than 0.05 s"),
    "a hang in its result": (hangs_in_its_result, "took longer than 0.05 s"),
    "a generator": (yields, "(generator), expected a list of 3 numbers"),
    "a generator, asynchronous": (streams, "(async_generator), expected a list of 3 numbers"),
    "None": (returns(None), "returned None (NoneType), expected a list"),
    "a number": (returns(1.0), "returned 1.0 (float), expected a list"),
    "a text": (returns("123"), "returned '123' (str), expected a list"),
    "bytes": (returns(b"\xff\x00\x01"), "(bytes), expected a list"),
    "a dict": (returns({0: 1.0, 1: 1.0, 2: 1.0}), "(dict), expected a list"),
    "a set": (returns({1.0, 2.0, 3.0}), "(set), expected a list"),
    "a range": (returns(range(3)), "(range), expected a list"),
    "too few": (returns([1.0]), "returned 1 values for 3 responses"),
    "too many": (returns([1.0] * 9), "returned 9 values for 3 responses"),
    "a list without a length": (returns(Endless([1.0] * 3)), "raised OSError: no length"),
    "no list after all": (returns(Unlisted()), "raised TypeError: no list"),
    "no attributes": (returns(Masked()), "raised ZeroDivisionError: no dtype"),
    "what cannot be shown": (returns(Unshown()), "a value that cannot be shown: RecursionError (Unshown)"),
    "durations": (returns(np.array([1, 2, 3], dtype="m8[ns]")), "(ndarray), expected a list"),
    "a tensor without data": (returns(torch.ones(3, device="meta")), "raised NotImplementedError"),
    "a column of an array": (returns(np.ones((3, 1))), "returned [1.0] (list)"),
    "a complex tensor": (returns(torch.ones(3, dtype=torch.complex64)), "returned (1+0j) (complex)"),
}

# Values of the second of three responses that are no number.
ONE = {
    "nan": float("nan"),
    "inf": float("inf"),
    "-inf": -float("inf"),
    "nan of numpy": np.float32("nan"),
    "inf of torch": torch.tensor(float("inf")),
    "beyond all floats": 10**400,
    "5000 digits": 10**5000,
    "a fraction beyond all floats": Fraction(10**400),
    "Decimal": Decimal("0.5"),
    "complex": 1j,
    "complex of numpy": np.complex64(1),
    "a text": "0.5",
    "bytes": b"1",
    "a list": [1.0],
    "a list in a list": [[[1.0]]],
    "a dict": {"score": 1.0},
    "a tensor of two": torch.ones(2),
    "a duration of numpy": np.timedelta64(5, "ns"),
    "a date of numpy": np.datetime64("2020-01-01", "ns"),
    "a number that is none": Strange(1.0),
    "a type": float,
    "what cannot be shown": Unshown(),
}


def scored(function: Callable[..., Any], **patience: Any) -> list[Any]:
    how = Patience(**{"backoff": 0.0, "retries": 1, "timeout": 20.0, **patience})
    return FunctionReward("my:reward", function, {}, how)(ITEMS)


@pytest.mark.parametrize("name", ALL)
def test_a_function_without_scores_is_named_with_every_row(name: str):
    assert len(ALL) + len(ONE) >= 40
    function, reason = ALL[name]
    found = scored(function, timeout=0.05 if "hang" in name else 20.0)
    for place, one in enumerate(found):
        assert isinstance(one, Failed)
        assert one.reason.startswith(f"my:reward on item {place} (rows.jsonl:{place + 1}): "), one.reason
        assert reason in one.reason
        assert len(one.reason) < 700
        one.reason.encode()


@pytest.mark.parametrize("name", ONE)
def test_a_value_that_is_no_number_is_named_with_its_row(name: str):
    first, second, third = scored(returns([1.0, ONE[name], 0.5]))
    assert (first, third) == (ScoredItem(1.0), ScoredItem(0.5))
    assert isinstance(second, Failed)
    assert second.reason.startswith("my:reward on item 1 (rows.jsonl:2): returned ")
    assert len(second.reason) < 200


def test_numbers_stay_numbers():
    values = [True, np.bool_(True), np.int8(1), torch.tensor(1, dtype=torch.int8), Fraction(1, 1), 1, 1.0]
    for value in values:
        assert scored(returns([value] * 3)) == [ScoredItem(1.0)] * 3


def test_a_failed_try_leaves_its_arguments_as_they_were():
    seen: list[int] = []

    def empties(responses: list[str]) -> list[float]:
        seen.append(len(responses))
        responses.clear()
        raise ValueError("again")

    scored(empties, retries=2)
    assert seen == [3, 3, 3]


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_child_that_a_function_forks_ends_where_it_returns():
    children: list[int] = []

    def forks(responses: list[str]) -> list[float]:
        child = os.fork()
        if child:
            children.append(child)
        return [1.0] * len(responses)

    assert scored(forks) == [ScoredItem(1.0)] * 3
    assert [os.waitpid(child, 0)[1] for child in children] == [0]


@pytest.mark.parametrize("name", ["stdout", "stderr"])
def test_a_stream_that_a_function_closes_is_opened_again(monkeypatch: pytest.MonkeyPatch, name: str):
    monkeypatch.setattr(sys, name, io.TextIOWrapper(io.BytesIO(), encoding="utf-8"))

    def closes(responses: list[str]) -> list[float]:
        getattr(sys, name).close()
        return [1.0] * len(responses)

    (reason, *_) = scored(closes)
    assert isinstance(reason, Failed)
    assert f"closed sys.{name}, which others write to" in reason.reason
    print("还在", file=getattr(sys, name))


def test_a_descriptor_that_a_function_closes_is_opened_again(capfd: pytest.CaptureFixture[str]):
    def closes(responses: list[str]) -> list[float]:
        os.write(1, b"\xff\x00 binary")
        os.close(1)
        return [1.0] * len(responses)

    (reason, *_) = scored(closes)
    assert isinstance(reason, Failed)
    assert "closed sys.stdout" in reason.reason
    os.write(1, b"still there\n")
    assert capfd.readouterr().out.endswith("binarystill there\n")


def test_a_function_that_replaces_a_stream_does_not_keep_it():
    before = sys.stdout

    def replaces(responses: list[str]) -> list[float]:
        sys.stdout = io.StringIO()
        return [1.0] * len(responses)

    assert scored(replaces) == [ScoredItem(1.0)] * 3
    assert sys.stdout is before


@pytest.fixture(autouse=True, scope="module")
def _released() -> Any:
    yield
    release.set()
