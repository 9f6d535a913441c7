"""A configuration of another toolkit is recognised as a whole, and its keys are told with ours."""

from pathlib import Path

import pytest

from truing.config.config import load_recipe
from truing.core.errors import ConfigError

FILES = {
    "LLaMA-Factory": """
model_name_or_path: base
stage: rm
do_train: true
finetuning_type: lora
lora_rank: 8
dataset: pairs
template: qwen
cutoff_len: 2048
output_dir: saves/dpo
per_device_train_batch_size: 1
num_train_epochs: 3.0
pref_beta: 0.1
""",
    "axolotl": """
base_model: base
rl: dpo
datasets:
  - path: pairs.jsonl
sequence_len: 2048
micro_batch_size: 2
num_epochs: 3
adapter: lora
output_dir: out
""",
    "ms-swift": """
model: base
rlhf_type: dpo
train_type: lora
dataset: [pairs.jsonl]
split_dataset_ratio: 0.01
torch_dtype: bfloat16
""",
    "TRL": """
model_name_or_path: base
dataset_name: pairs
use_peft: true
max_length: 1024
output_dir: out
learning_rate: 1.0e-6
""",
}


@pytest.mark.parametrize("peer", FILES)
def test_a_file_of_another_toolkit_is_recognised(peer: str, tmp_path: Path):
    path = tmp_path / "theirs.yaml"
    path.write_text(FILES[peer], encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        load_recipe(path)
    first, *rows = str(caught.value).splitlines()
    assert first == (f"{path} is a file of {peer}, not a recipe of truing. Its keys, and what they are here:")
    keys = [line.partition(":")[0] for line in FILES[peer].splitlines() if line and line[0].isalpha()]
    assert [row.split()[0] for row in rows] == keys
    assert "?" not in {row.split()[1] for row in rows}


def test_a_method_is_told_with_its_value(tmp_path: Path):
    path = tmp_path / "theirs.yaml"
    path.write_text(FILES["LLaMA-Factory"], encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        load_recipe(path)
    rows = {row.split()[0]: row.split(maxsplit=1)[1] for row in str(caught.value).splitlines()[1:]}
    assert rows["stage"] == "method: reward"
    assert rows["model_name_or_path"] == "policy"
    assert rows["pref_beta"] == "loss.beta"
    assert rows["do_train"] == "- `truing train` trains"


def test_a_recipe_with_two_keys_of_another_toolkit_stays_a_recipe(tmp_path: Path):
    path = tmp_path / "ours.yaml"
    path.write_text(
        "method: dpo\npolicy: m\ndata: {train: t}\noutput_dir: o\nnum_train_epochs: 2\n", encoding="utf-8"
    )
    with pytest.raises(ConfigError, match="unknown key 'output_dir'"):
        load_recipe(path)
