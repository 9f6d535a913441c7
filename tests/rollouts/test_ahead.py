"""Responses for the next step, drawn beside this one, and kept by checkpoints."""

import json
from dataclasses import asdict

import pytest

from truing.rollouts.ahead import Ahead
from truing.sampling.types import Finish, Sample

SAMPLES = [Sample([5, 2], [-0.5, -0.1], "a", Finish.STOP, prompt=0, k=1)]


def test_the_step_that_was_begun_is_taken_and_no_other():
    ahead = Ahead()
    assert ahead.take(1) is None and ahead.state() == {}
    ahead.begin(2, lambda: SAMPLES)
    assert ahead.take(3) is None and ahead.take(2) == SAMPLES


def test_a_checkpoint_holds_the_responses_under_way():
    ahead, again = Ahead(), Ahead()
    ahead.begin(2, lambda: SAMPLES)
    again.restore(json.loads(json.dumps(ahead.state())))
    assert again.take(2) == SAMPLES
    again.restore({})
    assert again.take(2) == SAMPLES


def test_responses_that_an_earlier_version_kept_are_one_step_old():
    state = {"step": 7, "samples": [asdict(SAMPLES[0])]}
    del state["samples"][0]["version"]
    ahead = Ahead()
    ahead.restore(json.loads(json.dumps(state)))
    [sample] = ahead.take(7) or []
    assert sample.version == 5, "step 7 learns with the weights after step 6"


def test_a_failed_draw_is_raised_where_it_is_taken_and_drawn_again():
    def fail() -> list[Sample]:
        raise RuntimeError("the server is gone")

    ahead = Ahead()
    ahead.begin(2, fail)
    assert ahead.state() == {}
    with pytest.raises(RuntimeError, match="the server is gone"):
        ahead.take(2)
