"""Passes are halved if memory runs out, and nothing that is computed changes but its rounding.

No test can use up memory on every machine, so a trunk stands in that raises what PyTorch raises.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import torch
from torch import Tensor

from truing.core.errors import MemoryShortError
from truing.core.records import Record, reply, user
from truing.data.packing import PackedBatch
from truing.data.trees import Branch, Tree
from truing.evals.rewards import score_records
from truing.models.passes import run_passes
from truing.models.reference import score_all
from truing.models.reward import RewardScorer
from truing.models.room import Overfull, Room, is_out_of_memory
from truing.models.scoring import Scorer, Trunk

ON_CPU = "[enforce fail at alloc_cpu.cpp:124] err == 0. DefaultCPUAllocator: can't allocate memory: you tried"


@pytest.fixture
def memory_of(monkeypatch: pytest.MonkeyPatch):
    """Inside, a pass of more than so many tokens raises; gives the sizes of the passes that were tried."""

    @contextmanager
    def holds(tokens: int, error: Exception | None = None) -> Iterator[list[int]]:
        states, tried = Trunk._states, []

        def limited(self: Trunk, batch: PackedBatch) -> Tensor:
            tried.append(batch.tokens.numel())
            if batch.tokens.numel() > tokens:
                raise error or torch.OutOfMemoryError("CUDA out of memory")
            return states(self, batch)

        with monkeypatch.context() as patch:
            patch.setattr(Trunk, "_states", limited)
            yield tried

    return holds


def test_only_a_failed_allocation_is_one():
    assert is_out_of_memory(torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"))
    assert is_out_of_memory(RuntimeError(ON_CPU)) and is_out_of_memory(MemoryError())
    assert not is_out_of_memory(RuntimeError("shape '[2, 3]' is invalid for input of size 5"))
    assert not is_out_of_memory(ValueError("out of memory"))


@pytest.mark.parametrize("layout", ["trees", "padded"])
@pytest.mark.parametrize("error", [torch.OutOfMemoryError("out of memory"), RuntimeError(ON_CPU)])
def test_scores_are_those_of_one_pass_and_the_size_is_remembered(tiny, pairs, memory_of, layout, error):
    scorer = Scorer(tiny(), layout=layout)
    with torch.no_grad():
        wanted = score_all(scorer, pairs, 10_000)
        with memory_of(50, error) as tried:
            found = score_all(scorer, pairs, 10_000)
            assert all(torch.allclose(found[i], wanted[i], atol=1e-5) for i in range(len(pairs)))
            assert scorer.room.most is not None
            tried.clear()
            score_all(scorer, pairs, 10_000)
            assert max(tried) <= 50, "the second time nothing fails"


def test_other_errors_are_let_out(tiny, pairs, memory_of):
    with memory_of(50, RuntimeError("a mistake")), pytest.raises(RuntimeError, match="a mistake"):
        score_all(Scorer(tiny(), layout="trees"), pairs, 10_000)


def test_a_tree_that_does_not_fit_alone_is_named_with_its_tokens(judge, memory_of):
    trees = [Tree([5, 6, 7], (branch([8, 9]), branch([4] * 20))), Tree([3], (branch([4]),))]
    records = [
        Record((user("Why?"),), (reply("a"), reply("b")), place="rows.jsonl:7"),
        Record((user("Who?"),), (reply("a"),), place="rows.jsonl:8"),
    ]
    scorer = RewardScorer(judge(), layout="trees")
    told = r"memory does not hold a pass of 25 tokens \(row rows.jsonl:7\)"
    with memory_of(20), pytest.raises(MemoryShortError, match=told) as error:
        score_records(scorer, records, trees, 10_000)
    assert error.value.exit_code == 8 and "data.max_tokens" in error.value.hint


def branch(tokens: list[int]) -> Branch:
    return Branch(tokens, [True] * len(tokens))


def test_every_tree_is_met_once(tiny, pairs, memory_of):
    scorer, met = Scorer(tiny(), layout="trees"), []

    def work(batch: PackedBatch) -> None:
        scorer.states(batch)
        met.extend(batch.items)

    with memory_of(40), torch.no_grad():
        list(run_passes(dict(enumerate(pairs)), scorer, 10_000, work))
    assert sorted(met) == list(range(len(pairs)))


def test_a_room_halves_what_failed_and_is_kept_with_a_run():
    room, other = Room(), Room()
    room.halve(Overfull(1000, [3, 4]))
    assert (room.within(4096), room.within(100)) == (500, 100)
    other.restore(room.state())
    assert other.most == 500
    other.restore(Room().state())
    assert other.most is None
    with pytest.raises(Overfull, match=r"a pass of 90 tokens \(row number 3\)"):
        room.halve(Overfull(90, [3]))
