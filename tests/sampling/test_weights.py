"""New weights for servers: a folder per step, and nothing else is removed. test_http.py loads them."""

from pathlib import Path

import pytest
from transformers import AutoModelForCausalLM, AutoTokenizer

from truing.sampling.weights import folder_of, remove_older, write_weights


@pytest.fixture(scope="module")
def parts(model_folder: Path):
    return AutoModelForCausalLM.from_pretrained(model_folder), AutoTokenizer.from_pretrained(model_folder)


def test_every_step_has_a_folder_that_transformers_opens(parts, tmp_path: Path):
    one, again = (write_weights(*parts, tmp_path / "weights", 3) for _ in range(2))
    assert one != again and one.is_absolute() and one.name.startswith("step-3-")
    assert AutoModelForCausalLM.from_pretrained(one).num_parameters() == parts[0].num_parameters()


def test_older_folders_go_and_those_of_others_stay(parts, tmp_path: Path):
    old, new = (write_weights(*parts, tmp_path, step) for step in (1, 2))
    (tmp_path / "step-mine").mkdir()
    remove_older(new)
    assert new.exists() and not old.exists() and (tmp_path / "step-mine").exists()


def test_what_a_server_still_draws_from_stays(parts, tmp_path: Path):
    old, older, new = (write_weights(*parts, tmp_path, step) for step in (2, 1, 3))
    remove_older(new, {folder_of(f"truing-{old.name}"), folder_of("")})
    assert new.exists() and old.exists() and not older.exists()
