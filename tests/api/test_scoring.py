"""`truing.score` of rows in memory, twice."""

from pathlib import Path

import pytest

import truing
from truing.core.errors import DataError


def test_score_rows_and_what_was_sampled(pairs: list, reward_folder: Path, model_folder: Path):
    scored = truing.score(pairs, model=reward_folder)
    assert len(scored.rows) == 12 and scored.summary.pairs == 6
    assert {row["rank"] for row in scored.rows} == {0, 1}
    said = truing.sample(model_folder, ["say a"], k=2, temperature=1.0, max_new_tokens=3)
    again = truing.score(said, model=str(reward_folder))
    assert [row["response"] for row in again.rows] == [row["response"] for row in said]
    with pytest.raises(DataError, match="no row has a response to score"):
        truing.score([{"prompt": "a"}], model=reward_folder)
