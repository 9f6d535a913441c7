"""Responses of a pool are different texts that a file can hold, and pairs are compared as asked."""

from collections import Counter
from collections.abc import Sequence

import pytest

from truing.core.records import Record, user
from truing.evals.pair_judges import Opinions
from truing.evals.questions import question_of
from truing.evals.sides import SampledResponse, response_of
from truing.judges.opinions import NoVerdict
from truing.sampling.roles import Wish, Writing
from truing.synthesis.pools import Pool, PoolResponse, judge_pools, sample_pools, strengths_of
from truing.synthesis.prompts import PromptSet


class Role:
    """A role that says what it is told to, whatever is asked."""

    title = "told"

    def __init__(self, *texts: object) -> None:
        self.texts = texts

    def write(self, asked: Sequence[Record], wish: Wish, progress: object = None) -> list[list[object]]:
        return [list(self.texts) for _ in asked]


def pool_of(*texts: str) -> Pool:
    record = Record(user("p"), place="p.jsonl:1")
    asked = question_of(record, record.place)
    return Pool(
        record, [PoolResponse(0, k, response_of(asked, text)) for k, text in enumerate(texts)], Counter()
    )


def longest(
    ours: Sequence[SampledResponse], theirs: Sequence[SampledResponse], progress: object = None
) -> Opinions:
    found = [
        0.5 if len(a.text) == len(b.text) else float(len(a.text) > len(b.text))
        for a, b in zip(ours, theirs, strict=True)
    ]
    return Opinions(list(found), ["" for _ in found], ["by length"])


def unseen(title: str, done: int, total: int) -> None:
    pass


def test_texts_that_cannot_be_compared_are_set_aside_by_reason():
    prompts = PromptSet([Record(user("p"), place="p.jsonl:1")], [])
    first = Role(Writing("a"), Writing(" "), Writing("a"), NoVerdict("down"))
    second = Role(Writing("a"), Writing("b"), Writing("nul \0"), Writing("c", cut=True))
    (pool,) = sample_pools(prompts, [first, second], Wish(k=4), unseen)  # pyright: ignore[reportArgumentType]
    assert [(one.writer, one.k, one.text) for one in pool.responses] == [
        (0, 0, "a"),
        (1, 1, "b"),
        (1, 3, "c"),
    ]
    assert pool.responses[2].response.cut
    assert pool.aside == {"empty": 1, "equal": 2, "failed": 1, "unreadable": 1}


@pytest.mark.parametrize(
    ("how", "rounds", "pairs"), [("all", 9, 6), ("swiss", 1, 2), ("swiss", 2, 4), ("uncertain", 1, 2)]
)
def test_as_many_pairs_as_asked(how: str, rounds: int, pairs: int):
    pool = pool_of("a", "bb", "ccc", "dddd")
    notes = judge_pools([pool], longest, how=how, rounds=rounds, seed=0, watch=unseen)
    assert len(pool.verdicts) == pairs
    assert notes == ["by length"]
    assert all(verdict == 0.0 for verdict in pool.verdicts.values()), "the second of each pair is the longer"


def test_strengths_follow_the_judge():
    pool = pool_of("a", "bb", "ccc")
    judge_pools([pool], longest, how="all", rounds=1, seed=0, watch=unseen)
    (fit,) = strengths_of([pool])
    assert list(fit.strengths) == sorted(fit.strengths)


def test_a_pair_without_a_verdict_keeps_its_reason():
    pool = pool_of("a", "bb")
    judge_pools(
        [pool],
        lambda a, b, progress: Opinions([None], ["it hums"], []),
        how="all",
        rounds=1,
        seed=0,
        watch=unseen,
    )
    assert pool.verdicts == {(0, 1): None}
    assert pool.reasons == {(0, 1): "it hums"}
    assert pool.compared == []
