"""`truing.report` of a run, of its folder, and of what is none."""

from pathlib import Path
from typing import Any

import pytest

import truing

PAIRS = [{"prompt": f"say {n}", "chosen": f"yes {n}", "rejected": "no"} for n in range(3)]
QUICK: dict[str, Any] = {
    "optim": {"max_steps": 1, "items_per_step": 3},
    "dtype": "float32",
    "progress": False,
}


def test_the_page_of_a_run_is_written_where_it_is_asked_for(model_folder: Path, tmp_path: Path):
    output = tmp_path / "run"
    run = truing.train(method="dpo", policy=model_folder, data=PAIRS, lora=True, output=output, **QUICK)
    assert truing.report(run) == truing.report(output) == output / "report.html"
    page = truing.report(str(output), output=tmp_path / "page.html", language="zh")
    assert page == tmp_path / "page.html" and 'lang="zh"' in page.read_text("utf-8")


def test_a_folder_that_is_no_run_is_told(tmp_path: Path):
    with pytest.raises(truing.TruingError, match="nowhere"):
        truing.report(tmp_path / "nowhere")
