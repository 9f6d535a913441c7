"""`truing.refusals` takes rows in memory and a loaded model, and returns what the files hold."""

from pathlib import Path

from tests.redteam.failed import failure, headlines

import truing
from truing.core.files import read_jsonl
from truing.models.trained import load_trained


def test_rows_and_a_model_in_memory(tmp_path: Path, model_folder: Path):
    rows = [failure(one, "plain") for one in headlines("train", "en", 2)]
    loaded = load_trained(str(model_folder))
    short = {"max_new_tokens": 3, "begun": 2}
    made = truing.refusals(rows, loaded.model, tokenizer=loaded.tokenizer, output=tmp_path / "out", **short)
    assert [row["completion"] for row in made.rows] == [one.refusal for one in headlines("train", "en", 2)]
    for name, held in (("sft", made.rows), ("preferences", made.preferences), ("retain", made.retain)):
        assert read_jsonl(made.path / f"{name}.jsonl") == held
    assert made.results["failures"]["used"] == 2
    assert not (made.path / "train.yaml").exists(), "a model in memory has no path to train from"
    assert str(made.path) in made._repr_html_()
