"""The work of a step is done again on each of its rows alone, in every kind of method."""

from typing import Any

import pytest
import torch

from truing.config.recipe import Recipe
from truing.runs.crew import crew_of
from truing.runs.diagnosis import measure
from truing.runs.found import Search
from truing.runs.online_session import OnlineSession
from truing.runs.opening import open_run

ONLINE: dict[str, Any] = {
    "rewards": [{"name": "length", "high": 3, "unit": "words"}],
    "sampling": {"max_new_tokens": 4},
    "online": {"group_size": 4},
}
METHODS: dict[str, dict[str, Any]] = {
    "dpo": {"method": "dpo"},
    "aot": {"method": "dpo", "loss": {"name": "aot"}},
    "orpo": {"method": "orpo"},
    "kto": {"method": "kto"},
    "bco": {"method": "bco"},
    "reward": {"method": "reward"},
    "ppo": ONLINE | {"method": "ppo"},
    "grpo": ONLINE | {"method": "grpo"},
}


@pytest.mark.parametrize("name", METHODS)
def test_a_sound_step_has_no_fault_in_any_row_and_is_left_as_it_was(model_folder, pairs_file, tmp_path, name):
    """Each row is done alone, of every kind of loss: also of those that compare the rows of a step."""
    recipe = {
        "policy": str(model_folder),
        "data": {"train": str(pairs_file), "unpair": name in ("kto", "bco")},
        "lora": {"r": 2, "dropout": 0.1},
        "optim": {"items_per_step": 3},
        "dtype": "float32",
        "output": str(tmp_path / "run"),
    }
    session = open_run(Recipe.model_validate(recipe | METHODS[name]))
    crew = crew_of(session)
    if isinstance(session, OnlineSession):
        session.failed = session.gather(1)
    before = {key: one.detach().clone() for key, one in crew.names.items()}
    state = torch.get_rng_state()
    found = measure(crew, Search("learn", 1, True, [], 0, None))
    assert [row.alone for row in found.rows] == [""] * len(found.rows) and len(found.rows) >= 3
    assert not found.whole and found.first == "" and not [*found.parameters, *found.frozen]
    assert torch.equal(state, torch.get_rng_state())
    assert all(torch.equal(one, before[key]) and one.grad is None for key, one in crew.names.items())
