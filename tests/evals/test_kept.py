"""Responses come back from the disk as they were drawn, to what they belong to and to nothing else."""

from dataclasses import replace
from pathlib import Path

import pytest

from truing.core.records import Record, user
from truing.evals.kept import KeptResponses
from truing.judges.cache import AnswerCache
from truing.sampling.types import Finish, Sample, Sampling

ASKED = Record(user("one"))
GREEDY = Sampling(max_new_tokens=4)
SAID = [
    Sample([7, 8], [-0.1, -1 / 3], "\ud83d half a sign", Finish.STOP, 0, 0),
    Sample([9], [], "", Finish.LENGTH, 0, 1),
]


@pytest.fixture
def kept(tmp_path: Path) -> KeptResponses:
    found = KeptResponses(AnswerCache(tmp_path / "a.sqlite"), {"model": "hash"})
    found.put([(ASKED, SAID)], GREEDY, 2)
    return found


def test_samples_come_back_to_the_last_bit(kept: KeptResponses):
    kept.cache.close()
    assert kept.get(ASKED, GREEDY, 2) == SAID


def test_they_belong_to_a_model_a_prompt_and_a_way_of_sampling(kept: KeptResponses):
    assert kept.get(Record(user("two")), GREEDY, 2) is None
    assert kept.get(Record(user("one"), given="x"), GREEDY, 2) is None
    assert kept.get(ASKED, GREEDY, 1) is None
    for changes in ({"max_new_tokens": 5}, {"temperature": 0.5}, {"seed": 1}, {"logprobs": False}):
        assert kept.get(ASKED, replace(GREEDY, **changes), 2) is None, changes
    assert KeptResponses(kept.cache, {"model": "other"}).get(ASKED, GREEDY, 2) is None
