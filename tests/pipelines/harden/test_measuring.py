"""Rates and paired changes of measurements; files hold them whole."""

import json
from dataclasses import replace

import pytest
from tests.pipelines.harden.measured import measured

from truing.config.harden import HardenRecipe
from truing.pipelines.harden.measuring import ModelMeasured, change, corrected


def test_what_was_not_understood_counts_for_neither_side():
    found = measured({"known": [1.0, None, 0.0, None]})
    rate = found.rate("known")
    assert rate is not None
    assert (rate.estimate, rate.n) == (0.5, 2)
    assert measured({"known": [None, None]}).rate("known") is None


def test_a_change_is_paired_over_the_answers_that_both_have():
    before, after = measured({"known": [1.0, 1.0, None, 1.0]}), measured({"known": [0.0, 1.0, 0.0, None]})
    found = change(before, after, "known")
    assert found is not None
    assert (found.estimate, found.n) == (-0.5, 2)
    assert change(before, measured({"known": [None] * 4}), "known") is None


def test_two_numbers_change_together():
    found = change(measured({}, 1.0), measured({"known": [0.0] * 20}, 1.0), "known", "new")
    assert found is not None
    assert (found.estimate, found.n) == (-0.5, 40)


def test_a_file_holds_a_measurement_whole():
    found = measured({"known": [1.0, None]})
    assert ModelMeasured.of_json(json.loads(json.dumps(found.as_json()))) == found


@pytest.mark.parametrize("language", ["en", "zh"])
def test_success_is_corrected_for_the_errors_of_the_rules_in_the_language(language: str):
    recipe = HardenRecipe.model_validate({"harden": {"policy": "p", "language": language}, "output": "o"})
    models = {"start": measured({"new": [None] * 20}, 1.0), "round-1/failures": measured({}, 0.0)}
    found = corrected(models, recipe)
    assert found.keys() == {("start", "known"), ("round-1/failures", "known"), ("round-1/failures", "new")}
    assert found["start", "known"].estimate > 0.9
    assert found["round-1/failures", "known"].estimate < 0.1


def test_each_model_has_the_errors_of_answers_cut_off_as_its_own_were():
    """Of answers that were cut off fewer refusals are found, so the same rate says more of success."""
    recipe = HardenRecipe.model_validate({"harden": {"policy": "p"}, "output": "o"})
    half = measured({"known": [0.0, 1.0] * 10})
    found = corrected({"start": replace(half, cut=1.0), "round-1/failures": half}, recipe)
    assert found["start", "known"].estimate < found["round-1/failures", "known"].estimate
    assert found == {
        **corrected({"start": replace(half, cut=1.0)}, recipe),
        **corrected({"round-1/failures": half}, recipe),
    }
