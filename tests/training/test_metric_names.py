"""Other trainers' names of metrics, and the page that lists them."""

import re
from pathlib import Path

import pytest

from truing.training.metric_names import ALIASES, renames

PAGE = Path(__file__).parents[2] / "docs" / "metrics.md"


@pytest.mark.parametrize(
    ("logged", "expected"),
    [
        (["actor/grad_norm", "actor/lr", "x"], {"actor/grad_norm": "grad_norm", "actor/lr": "learning_rate"}),
        (["train_loss", "loss"], {}),  # transformers' mean over the run is no step's loss
        (["objective/entropy", "policy/entropy_avg"], {"policy/entropy_avg": "entropy"}),  # per token
        (["objective/entropy"], {"objective/entropy": "entropy"}),
        (
            ["train/agg/effective/solver/reward/mean", "train/agg/effective/judge/reward/mean"],
            {"train/agg/effective/judge/reward/mean": "reward"},
        ),
        (["val-core/openai/gsm8k/acc/mean@8"], {"val-core/openai/gsm8k/acc/mean@8": "eval/reward"}),
        (["train/math/effective/agent/reward/mean"], {}),  # one environment of several is not the whole
    ],
)  # fmt: skip
def test_names_that_mean_ours(logged: list[str], expected: dict[str, str]):
    assert renames(logged) == expected


def test_no_name_means_two_of_ours():
    theirs = [name for names in ALIASES.values() for name in names]
    assert len(theirs) == len(set(theirs))
    assert not set(theirs) & set(ALIASES)


def test_the_page_lists_every_name_beside_ours():
    lines = [line for line in PAGE.read_text(encoding="utf-8").splitlines() if line.startswith("|")]
    cells = [[set(re.findall(r"`([^`]+)`", cell)) for cell in line.split("|")[1:]] for line in lines]
    listed = {ours: set().union(*(set().union(*row) for row in cells if ours in row[0])) for ours in ALIASES}
    assert {ours for ours, names in ALIASES.items() if not {ours, *names} <= listed[ours]} == set()
