"""Files with stages, as written; pipelines/test_stages.py has what becomes of them."""

from pathlib import Path

import pytest
import yaml

from truing.config.documents import DEFAULT, OVERRIDE, node_of
from truing.config.stages import load_stages, naming_stage, overlaid
from truing.core.errors import ConfigError, DataError

FILE = {
    "output": "runs/two",
    "shared": {"policy": "org/model", "data": {"train": ["a.jsonl"]}, "optim": {"epochs": 3}},
    "stages": {
        "sft": {"method": "sft"},
        "dpo": {"method": "dpo", "policy": "stage:sft", "optim": {"learning_rate": 1e-6}},
    },
}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    written = tmp_path / "stages.yaml"
    written.write_text(yaml.safe_dump(FILE, sort_keys=False))
    return written


def test_a_stage_is_laid_over_what_all_share(path: Path):
    sft, dpo = load_stages(path, ["stages.dpo.seed=5"])
    assert (sft.name, sft.needs, dpo.needs) == ("sft", (), ("sft",))
    assert (dpo.recipe.policy, dpo.recipe.output, dpo.recipe.seed) == ("stage:sft", "runs/two/dpo", 5)
    assert (dpo.recipe.optim.epochs, dpo.recipe.optim.learning_rate) == (3, 1e-6)


@pytest.mark.parametrize(
    ("override", "said"),
    [
        (
            "stages.sft.policy=stage:dpo",
            "it comes after sft, and stages are trained in the order of the file",
        ),
        ("stages.sft.policy=stage:sft", "a stage cannot begin from its own result"),
        ("stages.dpo.policy=stage:stf", "there is no such stage; earlier ones are sft; did you mean 'sft'?"),
        ("stages.dpp.seed=1", "no stage 'dpp'; did you mean 'dpo'?"),
        ("stages.dpo.output=x", "unknown key 'output' in dpo; its run goes to runs/two/dpo"),
    ],
)
def test_what_cannot_be_built_is_told(path: Path, override: str, said: str):
    with pytest.raises(ConfigError) as caught:
        load_stages(path, [override])
    assert said in str(caught.value)


def test_a_mistake_in_a_block_is_that_of_its_stage():
    with pytest.raises(DataError, match="stage dpo: gone") as caught, naming_stage("dpo"):
        raise DataError("gone", hint="look")
    assert caught.value.hint == "look"


def test_mappings_are_merged_down_to_a_level():
    under, over = node_of({"a": {"b": {"x": 1}}}, DEFAULT), node_of({"a": {"b": {"y": 2}}}, OVERRIDE)
    assert overlaid(under, over).plain() == {"a": {"b": {"x": 1, "y": 2}}}
    assert overlaid(under, over, levels=1).plain() == {"a": {"b": {"y": 2}}}
    assert overlaid(None, over) is over
