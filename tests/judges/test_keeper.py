"""Answers are on disk before their question counts as answered."""

import asyncio
from pathlib import Path

import pytest

from truing.core.errors import StorageError
from truing.judges.cache import AnswerCache, KeptAnswer
from truing.judges.keeper import Keeper


class Remembers:
    """A cache that counts its writes, and fails when it is told to."""

    def __init__(self, fails: bool = False) -> None:
        self.written: list[list[str]] = []
        self.fails = fails

    def put_all(self, answers: list[KeptAnswer]) -> None:
        if self.fails:
            raise StorageError("the disk is full")
        self.written.append([answer.key for answer in answers])


async def keep(keeper: Keeper, *keys: str) -> None:
    await asyncio.gather(*(keeper.keep(key, "text", "note") for key in keys))


def test_answers_that_arrive_together_are_written_together():
    cache = Remembers()
    asyncio.run(keep(Keeper(cache), "a", "b", "c"))  # pyright: ignore[reportArgumentType]
    assert [key for batch in cache.written for key in batch] == ["a", "b", "c"] and len(cache.written) < 3


def test_every_answer_is_told_that_the_disk_is_full():
    with pytest.raises(StorageError, match="the disk is full"):
        asyncio.run(keep(Keeper(Remembers(fails=True)), "a", "b"))  # pyright: ignore[reportArgumentType]


def test_a_real_cache_holds_it_and_without_one_nothing_is_kept(tmp_path: Path):
    cache = AnswerCache(tmp_path / "answers.sqlite")
    asyncio.run(keep(Keeper(cache), "a"))
    asyncio.run(keep(Keeper(None), "b"))
    assert (tmp_path / "answers.sqlite").stat().st_size > 0
