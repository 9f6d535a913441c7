"""Responses that ranks draw together: each rank a part, all of them as one process draws them."""

from pathlib import Path

import pytest

from truing.core.records import Record, user
from truing.evals.drawing import Drawers, at_least, dismiss, draw, follow
from truing.models.trained import load_trained
from truing.models.world import World, apart
from truing.sampling.speaker import Speaker
from truing.sampling.types import Sampling

SAMPLING = Sampling(max_new_tokens=5, temperature=1.0, seed=2)
ASKED = [Record(user(f"Question {n}?")) for n in range(7)]


def unseen(done: int, total: int) -> None:
    """Show nothing."""


@pytest.mark.parametrize(
    ("ranks", "batches", "found"),
    [
        (1, [[0, 1, 2]], [[0, 1, 2]]),
        (2, [[0, 1, 2], [3]], [[0, 1, 2], [3]]),
        (4, [[0, 1, 2, 3], [4]], [[0], [1], [2, 3], [4]]),
        (9, [[5], [6]], [[5], [6]]),
    ],
)
def test_every_rank_has_a_part_where_there_are_enough_prompts(ranks, batches, found):
    assert at_least(ranks, batches) == found


def test_two_ranks_draw_what_one_draws_and_each_its_part(two, model_folder: Path):
    def work(here: World) -> object:
        drawn: list[int] = []
        loaded = Speaker.of(load_trained(str(model_folder)))

        def speaker() -> Speaker:
            drawn.append(here.rank)
            return loaded

        if not here.main:
            follow(here, [speaker])
            return len(drawn)
        with apart():
            drawers = Drawers(here, 0)
            parts = [ASKED[:4], ASKED[4:]], [ASKED[:2]]
            found = [drawers.draw(speaker, some, SAMPLING, 2, unseen) for some in parts]
        dismiss(here)
        return [[[sample.text for sample in own] for own in part] for some in found for part in some]

    texts, drawn = two(work)
    alone = Speaker.of(load_trained(str(model_folder)))
    parts = [draw(alone, part, SAMPLING, 2, unseen) for part in (ASKED[:4], ASKED[4:], ASKED[:2])]
    assert texts == [[[sample.text for sample in own] for own in part] for part in parts]
    assert drawn == 1, "it is opened once; the second round had a part for rank 0 alone"
