"""Options of a recipe as flags of another program."""

import pytest

from truing.core.errors import ConfigError
from truing.evals.tasks.outside_options import flags_of, pairs, present


def test_options_become_flags_and_absent_ones_none():
    given = {"batch_size": 8, "trace": True, "log": False, "seed": None, "gen": {"a": 1}, "name": "x y"}
    assert present(given, "_") == ["--batch_size", "8", "--trace", "--gen", '{"a": 1}', "--name", "x y"]
    assert present({"batch_size": 8}, "-") == ["--batch-size", "8"]


def test_a_flag_that_truing_sets_itself_is_refused():
    assert flags_of("lm_eval", {"batch_size": 1}, "_", {"output_path"}) == ["--batch_size", "1"]
    for key in ("output_path", "output-path"):
        with pytest.raises(ConfigError, match=f"options of the task 'lm_eval' has '{key}'"):
            flags_of("lm_eval", {key: "x"}, "_", {"output_path"})


def test_arguments_of_a_model_are_pairs():
    assert pairs("lm_eval", {"model_args": {"dtype": "float32", "max": 3}}, "model_args") == [
        "dtype=float32",
        "max=3",
    ]
    assert pairs("lm_eval", {}, "model_args") == []
    with pytest.raises(ConfigError, match="model_args of the task 'lm_eval' is 'x'") as caught:
        pairs("lm_eval", {"model_args": "x"}, "model_args")
    assert caught.value.hint == "model_args: {dtype: float32}"
