"""The lineage of a made row names its prompt, and keeps the lineage of the row it was made of."""

import json
from pathlib import Path

from truing.core.words import speaking
from truing.synthesis.lineage import lineage, told_lineage
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


def test_a_lineage_is_told_in_lines_with_the_earlier_ones():
    found = {
        "verb": "feedback",
        "version": "1",
        "prompt": {"file": "p.jsonl", "row": 3, "sha256": "a" * 64},
        "writers": [{"model": "runs/a", "contents": {"weights": "b" * 64, "config": "c"}}, {"model": "q"}],
        "k": [2, 0],
        "from": {"verb": "red-team", "version": "1", "attack": "rot13"},
    }
    with speaking("en"):
        told = [str(line) for line in told_lineage(found)]
    assert told == [
        "made by truing feedback, version 1",
        "prompt: row 3 of p.jsonl (sha256 aaaaaaaaaaaa)",
        "writers: runs/a, weights bbbbbbbbbbbb; q",
        "k: 2; 0",
        "made by truing red-team, version 1",
        "attack: rot13",
    ]
