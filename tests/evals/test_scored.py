"""Rows scored by a reward model: which are scored, which are told of, and what is written of each."""

from pathlib import Path

import pytest

from truing.core.errors import DataError
from truing.core.records import Record, reply, user
from truing.evals.scored import rendered_for, score_rows, scored_by, with_responses
from truing.models.trained import Trained, load_trained_reward

PAIR = Record(
    user("Is it?"), (reply("Yes, it is.", rank=0), reply("No.", rank=1)), category="short", place="a:1"
)
BARE = Record(user("Is it?"), place="a:2")


@pytest.fixture(scope="module")
def trained(reward_folder: Path) -> Trained:
    return load_trained_reward(str(reward_folder))


def test_rows_without_a_response_are_left_out_and_told():
    said: list[str] = []
    assert with_responses([PAIR, BARE], "a.jsonl", said.append) == [PAIR]
    assert said == ["1 rows without a response are left out"]
    with pytest.raises(DataError, match=r"a\.jsonl: no row has a response to score"):
        with_responses([BARE], "a.jsonl", said.append)


def test_every_response_has_one_row_with_what_its_record_says(trained: Trained):
    done: list[int] = []
    rendered = rendered_for(trained, [PAIR], "a.jsonl", None, print)
    first, second = score_rows(scored_by(trained, rendered, done.append))
    assert done[-1] == 1
    assert (first["response"], first["rank"], first["category"], first["place"]) == (
        "Yes, it is.",
        0,
        "short",
        "a:1",
    )
    assert second["rank"] == 1 and first["score"] != second["score"]
    assert "label" not in first and first["prompt"] == [{"role": "user", "content": "Is it?"}]


def test_rows_that_do_not_fit_are_told(trained: Trained):
    long = Record(user("word " * 600), (reply("Yes."),), place="a:3")
    said: list[str] = []
    assert len(rendered_for(trained, [PAIR, long], "a.jsonl", None, said.append).trees) == 1
    assert said == ["1 rows are not scored: 1 too-long; the model reads 512 tokens"]
    with pytest.raises(DataError, match="none of 1 rows can be scored"):
        rendered_for(trained, [long], "a.jsonl", None, said.append)
