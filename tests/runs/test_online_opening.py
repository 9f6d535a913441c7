"""Opening an online session: what is refused before anything is sampled, and how prompts are split."""

import json
from pathlib import Path

import pytest

from truing.config.recipe import Recipe
from truing.core.errors import ConfigError
from truing.runs.online_opening import open_online
from truing.sampling.local import LocalSampler


@pytest.fixture
def opened(model_folder: Path, tmp_path: Path):
    rows = tmp_path / "prompts.jsonl"
    rows.write_text(
        "".join(json.dumps({"prompt": f"Question {i}?", "answer": str(i)}) + "\n" for i in range(8))
    )

    def make(**changes):
        content = {
            "method": "grpo",
            "policy": str(model_folder),
            "data": {"train": str(rows), "eval_fraction": 0.25},
            "rewards": [{"name": "numeric"}],
            "sampling": {"max_new_tokens": 4},
            "dtype": "float32",
        }
        return open_online(Recipe.model_validate(content | changes))

    return make


def test_prompts_are_split_and_drawn_on_this_machine(opened):
    session = opened()
    assert (len(session.train), len(session.held_out)) == (6, 2)
    assert isinstance(session.sampler, LocalSampler)
    ids = [{prompt.record.id for prompt in part} for part in (session.train, session.held_out)]
    assert not ids[0] & ids[1]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"online": {"overlap": True}}, "online.overlap needs servers"),
        ({"online": {"overlap": True}, "sampling": {"servers": ["http://a"]}}, "loss.correction is none"),
        (
            {"online": {"max_staleness": 2}, "sampling": {"servers": ["http://a"]}},
            "online.max_staleness is 2, and loss.correction is none",
        ),
        (
            {
                "online": {"overlap": True, "max_staleness": 0},
                "sampling": {"servers": ["http://a"]},
                "loss": {"correction": "token_truncate"},
            },
            "online.overlap draws from weights one step old",
        ),
        ({"online": {"group_size": 1}}, "one alone teaches nothing"),
        ({"rewards": []}, "nothing scores the responses"),
        ({"rewards": [{"name": "numerc"}]}, "did you mean 'numeric'"),
    ],
)
def test_what_cannot_work_is_told(opened, changes: dict, said: str):
    with pytest.raises(ConfigError) as caught:
        opened(**changes)
    assert said in str(caught.value)
