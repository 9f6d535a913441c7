import pytest

from truing.training.signs import repetition, signs


def test_repetition_is_the_share_of_token_4_grams_that_came_before():
    assert repetition([1, 2, 3, 4, 5]) == 0
    assert repetition([7] * 7) == pytest.approx(3 / 4)  # four 4-grams, one distinct
    assert repetition([1, 2, 3]) == 0, "too short to repeat any"


def test_length_correlates_with_a_reward_for_it():
    responses = [[5] * n for n in (1, 2, 3)]
    assert signs(responses, [0.1, 0.2, 0.3])["reward/length_correlation"] == pytest.approx(1)
    assert signs(responses, [0.3, None, 0.1])["reward/length_correlation"] == pytest.approx(-1)


@pytest.mark.parametrize("rewards", [[0.5, 0.5, 0.5], [None, None, 0.1]])
def test_no_correlation_without_a_difference(rewards: list[float | None]):
    assert list(signs([[1], [1, 2], [1, 2, 3]], rewards)) == ["completions/repetition"]
    assert list(signs([[1], [2], [3]], [0.1, 0.2, 0.3])) == ["completions/repetition"]
