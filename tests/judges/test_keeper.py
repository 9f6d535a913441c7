import asyncio
from pathlib import Path

import pytest

from truing.core.errors import StorageError
from truing.judges.cache import AnswerCache, KeptAnswer
from truing.judges.keeper import Keeper


class CountingCache(AnswerCache):
    """Counts how often it writes."""

    writes = 0

    def put_all(self, answers):
        self.writes += 1
        super().put_all(answers)


def test_answers_that_come_together_are_written_together_and_are_on_disk_by_then(tmp_path: Path):
    cache = CountingCache(tmp_path / "answers.sqlite")

    async def work() -> list[str | None]:
        keeper = Keeper(cache)
        await asyncio.gather(*(keeper.keep(KeptAnswer(str(index), f"answer {index}")) for index in range(50)))
        return [AnswerCache(cache.path).get(str(index)) for index in range(50)]

    assert asyncio.run(work()) == [f"answer {index}" for index in range(50)]
    assert cache.writes <= 3


@pytest.mark.parametrize(("text", "error"), [("a", StorageError), ("\ud800", UnicodeEncodeError)])
def test_an_answer_that_cannot_be_written_raises_for_each(tmp_path: Path, text: str, error: type[Exception]):
    """A folder stands in the place of the file, or the text is none that SQLite takes."""
    path = tmp_path / "answers.sqlite"
    if text == "a":
        path.mkdir()

    async def work() -> list[object]:
        keeper = Keeper(AnswerCache(path))
        kept = (keeper.keep(KeptAnswer(str(i), text)) for i in range(3))
        return await asyncio.wait_for(asyncio.gather(*kept, return_exceptions=True), 5)

    assert [type(each) for each in asyncio.run(work())] == [error] * 3


def test_without_a_cache_nothing_is_kept():
    keeper = Keeper(None)
    asyncio.run(asyncio.wait_for(keeper.keep(KeptAnswer("a", "b")), 5))
    assert keeper == Keeper(None), "no answer waits, and nothing writes"
