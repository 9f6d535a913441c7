"""The file of a loop over votes: what becomes of its recipe, and its mistakes with their lines."""

from pathlib import Path

import pytest

from truing.config.votes_loop import is_votes_loop, load_votes_loop, round_folder
from truing.core.errors import ConfigError

LOOP = """\
votes_loop: {project: votes.db, new_votes: 20}
reward:
  policy: model
  data: {max_tokens: 64}
  lora: {r: 4}
output: runs/loop
"""


@pytest.fixture
def write(tmp_path):
    def write(text):
        path = tmp_path / "loop.yaml"
        path.write_text(text, encoding="utf-8")
        return path

    return write


def test_the_reward_model_learns_from_the_votes_of_the_project(write):
    path = write(LOOP)
    assert is_votes_loop(path)
    found = load_votes_loop(path, ["votes_loop.rounds=3", "reward.seed=7"])
    assert (found.plan.new_votes, found.plan.rounds, found.output) == (20, 3, "runs/loop")
    assert (found.reward.method, found.reward.seed, found.reward.data.max_tokens) == ("reward", 7, 64)
    assert found.reward.data.train == ("annotate:votes.db",)
    assert found.reward.output == round_folder("runs/loop", 1) == "runs/loop/round-001"


def test_the_recipe_of_the_repository_is_one():
    found = load_votes_loop(Path(__file__).parents[2] / "recipes" / "votes_loop.yaml", [])
    assert (found.plan.new_votes, found.reward.loss.name) == (100, "bradley_terry")


def test_a_file_with_stages_is_none(write):
    assert not is_votes_loop(write("output: runs\nstages: {}\n"))


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("policy: model", "polcy: model", "loop.yaml:3: unknown key 'polcy'"),
        ("policy: model", "policy: model\n  method: dpo", "loop.yaml:4: method 'dpo': expected reward"),
        (
            "policy: model",
            "policy: model\n  output: x",
            "loop.yaml:4: the runs of all rounds go to runs/loop",
        ),
        ("{max_tokens: 64}", "{train: [a.jsonl]}", "loop.yaml:4: the rows are the votes of votes.db"),
        ("new_votes: 20", "new_votes: 0", "loop.yaml:1: "),
        ("output: runs/loop", "", "output"),
    ],
)
def test_mistakes_are_told_with_their_lines(write, old, new, told):
    with pytest.raises(ConfigError) as caught:
        load_votes_loop(write(LOOP.replace(old, new)), [])
    assert told in str(caught.value)
