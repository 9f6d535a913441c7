"""Rows made from responses, and prompts that a template cannot write."""

import pytest

from truing.core.records import Message, Record, user
from truing.data.refusals import Refusal, RefusedRowError, TurnsError
from truing.sampling.replies import reply_rows, writable
from truing.sampling.types import Finish, Sample


class NoSystem:
    """A speaker whose template has no place for a system turn."""

    def prompt_ids(self, asked: Record) -> list[int]:
        if asked.prompt[0].role == "system":
            raise RefusedRowError(asked.place, "chat", TurnsError(Refusal.REFUSED, "no system here"))
        return [1]


GOOD = Record(user("Hi"), place="a:1")
BAD = Record((Message("system", "Be brief."), *user("Hi")), place="a:2")


def test_prompts_that_cannot_be_written_are_told_and_the_others_kept():
    said: list[str] = []
    assert writable(NoSystem(), [GOOD, BAD], said.append) == [GOOD]  # pyright: ignore
    assert len(said) == 1 and said[0].startswith("not asked: a:2")
    with pytest.raises(RefusedRowError, match="no system here"):
        writable(NoSystem(), [BAD], said.append)  # pyright: ignore


def test_a_row_is_made_of_each_response():
    sample = Sample([1], [], "Hello", Finish.LENGTH, prompt=1, k=2)
    (row,) = reply_rows([BAD, GOOD], [sample])
    assert row == {
        "prompt": [{"role": "user", "content": "Hi"}],
        "response": "Hello",
        "finish": "length",
        "k": 2,
    }
