"""Every compared pair is counted once, and the rows are those that the recipe asks for."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from truing.config.feedback import FeedbackRecipe
from truing.core.records import Record, user
from truing.evals.questions import question_of
from truing.evals.sides import response_of
from truing.synthesis.choosing import Selection, choose
from truing.synthesis.pools import Pool, PoolResponse, strengths_of

TEXTS = ("worst", "middle", "best")


def pool_of(verdicts: dict[tuple[int, int], float | None], equal: int = 0) -> Pool:
    record = Record(user("p"), category="c", place="p.jsonl:1")
    asked = question_of(record, record.place)
    made = [PoolResponse(0, k, response_of(asked, text)) for k, text in enumerate(TEXTS)]
    return Pool(record, made, Counter(equal=equal), dict(verdicts))


def lineage(pool: Pool, facts: Mapping[str, Any]) -> dict[str, Any]:
    return dict(facts)


def chosen(*pools: Pool, unscored_of: Sequence[Sequence[int]] = (), **keys: Any) -> Selection:
    asked = {"prompts": ["p"], "policies": ["m"], "judge": "j", "output": "o"} | keys
    fits = strengths_of(pools)
    scores = [list(map(float, fit.strengths)) for fit in fits]
    for own, unscored in zip(scores, unscored_of, strict=False):
        own[:] = [float("-inf") if place in unscored else one for place, one in enumerate(own)]
    return choose(FeedbackRecipe.model_validate(asked), pools, fits, scores, lineage)


ORDERED = {(0, 1): 0.0, (0, 2): 0.0, (1, 2): 0.0}


def test_the_best_stands_against_the_worst():
    found = chosen(pool_of(ORDERED))
    (one,) = found.rows
    assert (one.row["chosen"], one.row["rejected"]) == ("best", "worst")
    assert one.row["category"] == "c"
    assert 0.5 < one.row["chosen_probability"] < 1
    assert found.pairs == Counter(kept=1, not_chosen=2)


def test_all_pairs_and_every_reason_to_leave_one_out():
    pools = [pool_of({(0, 1): 0.5, (0, 2): 0.0, (1, 2): None}, equal=2), pool_of(ORDERED)]
    found = chosen(*pools, select="all_pairs", sure=0.5)
    assert found.pairs == Counter(kept=4, equal=2, ties=1, errors=1, not_chosen=0)
    assert found.compared == 8


def test_a_pair_that_the_other_pairs_contradict_is_unsure():
    circle = pool_of({(0, 1): 0.0, (1, 2): 0.0, (0, 2): 1.0})
    assert chosen(circle).pairs["unsure"] == 3
    assert len(chosen(circle, select="all_pairs", unsure="keep").rows) == 3


def test_the_control_is_as_large_and_of_the_same_responses():
    found = chosen(*[pool_of(ORDERED) for _ in range(40)])
    assert len(found.control) == len(found.rows) == 40
    texts = {(one.row["chosen"], one.row["rejected"]) for one in found.control}
    assert len(texts) == 6, "random pairs in random order"
    assert all("chosen_probability" not in one.row for one in found.control)


@pytest.mark.parametrize("across", ["prompt", "all"])
def test_best_of_n(across: str):
    found = chosen(pool_of(ORDERED), pool_of(ORDERED), select="best_of_n", across=across)
    assert [one.row["completion"] for one in found.rows] == ["best", "best"]
    assert len(found.control) == 2
    assert found.pairs == Counter(not_chosen=6, kept=0)


@pytest.mark.parametrize("across", ["prompt", "all"])
def test_a_response_without_a_score_is_in_no_row(across: str):
    silent = Pool(Record(user("q")), [], Counter())
    pools = [pool_of({(0, 1): 0.0, (0, 2): None, (1, 2): None}), pool_of(dict.fromkeys(ORDERED)), silent]
    unscored = [[2], [0, 1, 2]]
    found = chosen(*pools, unscored_of=unscored, select="best_of_n", across=across)
    assert [one.row["completion"] for one in found.rows] == ["middle"]
    (control,) = found.control
    assert control.row["completion"] in ("worst", "middle")
    pairs = [chosen(*pools, unscored_of=unscored, sure=0.5, seed=seed).control for seed in range(20)]
    assert {one.row["chosen"] for (one,) in pairs} == {"worst", "middle"}
