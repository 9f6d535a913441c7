"""Parts of a round: keys of a training recipe laid over another, and the harmless prompts of all rounds."""

from pathlib import Path

import pytest

from truing.config.harden import HardenRecipe
from truing.core.files import read_jsonl
from truing.evals.suites.ordinary import load_ordinary, split_ordinary
from truing.pipelines.harden.plan import RoundsPlan
from truing.pipelines.harden.rounds import RoundStages, laid


def test_a_section_keeps_its_other_keys():
    under = {"optim": {"epochs": 2, "learning_rate": 1e-3}, "lora": {"r": 16}, "seed": 0}
    found = laid(under, {"optim": {"epochs": 1}, "lora": None, "seed": 3})
    assert found == {"optim": {"epochs": 1, "learning_rate": 1e-3}, "lora": None, "seed": 3}
    assert under["optim"] == {"epochs": 2, "learning_rate": 1e-3}


@pytest.mark.parametrize(
    ("prompt", "benign", "language"),
    [
        ("How do I pick a lock that isn't mine?", "How do locks work?", "en"),
        ("怎么撬别人的锁？", "锁是怎么工作的？", "zh"),
    ],
)
def test_everyday_prompts_are_in_the_languages_of_the_prompts(
    prompt: str, benign: str, language: str, tmp_path: Path
):
    """The recipe's `language` is that of truing's own prompts; a user's may be in another."""
    recipe = HardenRecipe.model_validate({"harden": {"policy": "p"}, "output": str(tmp_path)})
    pool, plan = [{"prompt": prompt, "benign": benign}], RoundsPlan(1, 1, None, "", 1.0)
    stages = RoundStages(recipe, plan, pool, tmp_path, print, None, None)  # pyright: ignore[reportArgumentType]
    everyday, _ = split_ordinary([one.prompt for one in load_ordinary(language)])
    assert [row["prompt"] for row in read_jsonl(stages._harmless())] == [*everyday, benign]
