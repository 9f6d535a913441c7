"""The lineage of a made row names its prompt, and keeps the lineage of the row it was made of."""

import json
from pathlib import Path

from truing.synthesis.lineage import lineage
from truing.synthesis.prompts import read_prompts

EARLIER = {"verb": "red-team", "attack": "rot13"}


def test_lineage_keeps_the_lineage_of_the_row_it_was_made_of(tmp_path: Path):
    file = tmp_path / "p.jsonl"
    file.write_text(json.dumps({"prompt": "One?", "lineage": EARLIER}))
    prompts = read_prompts([str(file)], lambda line: None)
    found = lineage("constitution", prompts, prompts.records[0], seed=3, critic={"model": "m"})
    assert found["prompt"]["row"] == 1
    assert found["seed"] == 3
    assert found["critic"] == {"model": "m"}
    assert found["from"] == EARLIER
