"""`truing.evaluate` and `truing.report`, each called twice."""

import json
from pathlib import Path
from typing import Any

import pytest
from transformers import AutoModelForCausalLM, AutoTokenizer

import truing


def test_evaluate_and_report(trained: truing.Run, model_folder: Path, moved_folder: Path):
    Path("asked.jsonl").write_text('{"prompt": "say a"}\n{"prompt": "say b"}\n')
    keys: dict[str, Any] = {"tasks": {"kl": {"max_new_tokens": 4, "rows": ["asked.jsonl"]}}}
    found = truing.evaluate(trained, against=model_folder, progress=False, **keys)
    assert found.path == trained.path / "eval" and found.page.is_file()
    assert found.numbers["kl"]["model"]["value"] is not None and found.passed
    missed = truing.evaluate(
        moved_folder, model_folder, output="other", gates={"kl": {"below": -1}}, progress=False, **keys
    )
    assert not missed.passed
    assert json.loads((missed.path / "results.json").read_text())["numbers"].keys() == missed.numbers.keys()
    assert "<table>" in missed._repr_html_()
    model = AutoModelForCausalLM.from_pretrained(moved_folder)
    live = truing.evaluate(
        model,
        model_folder,
        tokenizer=AutoTokenizer.from_pretrained(model_folder),
        output="live",
        progress=False,
        **keys,
    )
    assert live.numbers["kl"]["model"]["value"] == pytest.approx(missed.numbers["kl"]["model"]["value"])
    with pytest.raises(truing.TruingError, match="is held against itself"):
        truing.evaluate(model_folder, model_folder, **keys)
    assert truing.report(trained) == trained.path / "report.html"
    assert truing.report(found, missed, output="two.html") == Path("two.html")
    with pytest.raises(truing.TruingError, match="gone does not exist"):
        truing.report("gone")
