"""Text kept beside the reward: rows drawn anew for every update, the same for the same address."""

import pytest

from truing.models.scoring import Scorer
from truing.rollouts.text import Text


@pytest.fixture
def text(tiny, pairs) -> Text:
    single = [type(tree)(tree.prompt, tree.branches[:1]) for tree in pairs]
    return Text(single, 100, Scorer(tiny(), layout="padded"), 10_000, seed=3)


def drawn(text: Text, step: int, update: int, count: int = 3) -> list[int]:
    return [item for batch in text.passes(step, update, count) for item in batch.items]


def test_rows_follow_their_address_and_are_numbered_behind_the_others(text: Text):
    one = drawn(text, 1, 0)
    assert one == drawn(text, 1, 0) and len(set(one)) == 3 and all(100 <= item < 107 for item in one)
    assert len({tuple(sorted(drawn(text, step, update))) for step in (1, 2) for update in (0, 1)}) > 1
    assert sorted(drawn(text, 1, 0, count=99)) == list(range(100, 107))
    assert all(batch.role == "ptx" for batch in text.passes(1, 0, 3))
