"""A reward run measured on the rows it holds out."""

from functools import partial
from pathlib import Path

import pytest

from truing.config.recipe import Recipe
from truing.runs.held_out import held_out_logger, judge_held_out
from truing.runs.session import Session, open_session


@pytest.fixture
def session(model_folder: Path, pairs_file: Path) -> Session:
    content = {"method": "reward", "policy": str(model_folder), "dtype": "float32"}
    return open_session(
        Recipe.model_validate({**content, "data": {"train": str(pairs_file), "eval_fraction": 0.5}})
    )


def test_the_held_out_rows_alone_are_scored(session: Session):
    found = judge_held_out(session, 4)
    assert (found.rows, found.pairs, found.step) == (6, 6, 4) and found.accuracy is not None


def test_the_metrics_of_an_evaluation_get_more_and_keep_their_own(session: Session):
    log = held_out_logger(partial(judge_held_out, session))
    logs = {"eval/loss": 0.7, "eval/accuracy": 2.0}
    log(1, logs)
    assert logs["eval/accuracy"] == 2.0 and 0 <= logs["eval/ece"] <= 1
    plain = {"loss": 0.7}
    log(2, plain)
    assert plain == {"loss": 0.7}, "a step without an evaluation measures nothing"
