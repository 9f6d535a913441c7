"""The recipes of verbs that make rows: from a file, from flags, with the place of every mistake."""

from pathlib import Path

import pytest

from truing.config.feedback import FeedbackRecipe
from truing.config.work import load_work
from truing.core.errors import ConfigError

FLAGS = ['prompts=["p.jsonl"]', 'policies=["m"]', 'judge="j"', "output=out"]


def test_flags_alone_and_over_a_file(tmp_path: Path):
    assert load_work(FeedbackRecipe, None, FLAGS).k == 4
    path = tmp_path / "r.yaml"
    path.write_text("prompts: [p.jsonl]\npolicies: [m]\njudge: {name: server, model: q}\nk: 2\noutput: out\n")
    found = load_work(FeedbackRecipe, path, ["k=8"])
    assert found.k == 8
    assert found.judge == {"name": "server", "model": "q"}


def test_a_mistake_has_its_place(tmp_path: Path):
    path = tmp_path / "r.yaml"
    path.write_text("prompts: [p.jsonl]\npolicis: [m]\njudge: j\noutput: out\n")
    with pytest.raises(ConfigError, match=r"r\.yaml:2.*policis.*policies"):
        load_work(FeedbackRecipe, path, [])


def test_a_file_that_is_no_mapping(tmp_path: Path):
    path = tmp_path / "r.yaml"
    path.write_text("- one\n")
    with pytest.raises(ConfigError, match="mapping of keys"):
        load_work(FeedbackRecipe, path, [])
