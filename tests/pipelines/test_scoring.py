"""Rows scored in parts: a second call scores nothing again."""

import json
from pathlib import Path

import pytest

from truing.cli.show import stage
from truing.core.errors import DataError
from truing.evals import scored
from truing.models.world import World
from truing.pipelines.scoring import FileScoring, score_files


def test_a_shard_that_is_done_is_not_scored_again(reward_folder: Path, pairs_file: Path, tmp_path: Path):
    asked = FileScoring([str(pairs_file)], str(reward_folder), tmp_path / "scores.jsonl", shard="2/2")
    first = score_files(asked, World(), print, stage)
    assert first.rows == 12 and first.summary is not None and first.summary.rows == 6
    again = score_files(asked, World(), print, stage)
    assert (again.rows, again.summary, again.set_aside) == (12, None, 0)
    path = tmp_path / "scores-00002-of-00002.jsonl"
    items = [json.loads(line)["item"] for line in path.read_text().splitlines()]
    assert items == [item for item in range(1, 12, 2) for _ in range(2)]


def test_rows_without_a_response_are_told(reward_folder: Path, tmp_path: Path):
    rows = tmp_path / "prompts.jsonl"
    rows.write_text(json.dumps({"prompt": "Why?"}) + "\n")
    asked = FileScoring([str(rows)], str(reward_folder), tmp_path / "scores.jsonl", shard="1/1")
    with pytest.raises(DataError, match="no row has a response to score"):
        score_files(asked, World(), print, stage)


def test_rows_that_are_too_long_are_counted_over_all_blocks(
    reward_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """Blocks of two rows, of which some lose one and one loses both; the summary is of the rest."""
    monkeypatch.setattr(scored, "AT_ONCE", 2)
    lines = [
        {
            "prompt": f"p{i}",
            "chosen": "good " * (600 if i in (1, 4, 5) else 1),
            "rejected": "bad",
            "category": "c",
        }
        for i in range(7)
    ]
    rows, said = tmp_path / "rows.jsonl", list[str]()
    rows.write_text("".join(json.dumps(line) + "\n" for line in lines))
    asked = FileScoring([str(rows)], str(reward_folder), tmp_path / "scores.jsonl", shard="1/1")
    found = score_files(asked, World(), said.append, stage)
    assert (found.rows, found.set_aside) == (8, 3)
    assert found.summary is not None and (found.summary.pairs, found.summary.categories["c"].n) == (4, 4)
    assert sum("3 rows are not scored: 3 too-long" in line for line in said) == 1, said
    path = tmp_path / "scores-00001-of-00001.jsonl"
    assert [json.loads(line)["item"] for line in path.read_text().splitlines()] == [0, 0, 2, 2, 3, 3, 6, 6]
