"""Responses of weights that are too old are drawn again, with their siblings."""

from collections.abc import Sequence

from truing.rollouts.staleness import age_of, renew
from truing.sampling.types import Finish, Sample


def sample(prompt: int, k: int, version: int | None, text: str = "") -> Sample:
    return Sample([5], [-0.5], text, Finish.STOP, prompt, k, version)


def test_the_age_is_counted_from_the_weights_that_learn():
    """Step 5 learns with the weights after step 4."""
    assert [age_of(sample(0, 0, version), 5) for version in (4, 3, 1, None)] == [0, 1, 3, 0]


def test_prompts_with_a_response_too_old_are_drawn_again_and_counted():
    versions = ((3, 4), (2, 4), (4, 4), (1, 1))  # of both siblings of four prompts
    drawn = [
        sample(prompt, k, version) for prompt, own in enumerate(versions) for k, version in enumerate(own)
    ]
    asked: list[Sequence[int]] = []

    def draw(places: Sequence[int]) -> list[Sample]:
        asked.append(places)
        return [sample(at, k, 4, "again") for at in range(len(places)) for k in (0, 1)]

    found = renew(drawn, 5, 1, draw)
    assert asked == [[1, 3]]
    assert [(one.prompt, one.k) for one in found.samples] == [(p, k) for p in range(4) for k in (0, 1)]
    assert [one.text for one in found.samples] == ["", "", "again", "again", "", "", "again", "again"]
    assert found.logs == {"sampling/staleness": 1 / 8, "sampling/stale": 3.0}


def test_within_the_bound_nothing_is_drawn():
    drawn = [sample(0, 0, 2), sample(1, 0, None)]
    found = renew(drawn, 5, 2, lambda places: [])
    assert found.samples is drawn and found.logs == {"sampling/staleness": 1.0, "sampling/stale": 0.0}
