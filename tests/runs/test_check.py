"""The lines of `truing check` for people."""

import json
from dataclasses import replace
from pathlib import Path

from truing.config.recipe import Recipe
from truing.core.messages import told
from truing.runs.check import check_session
from truing.runs.session import open_session

# Steps and seconds per step, and the last line that tells them.
TIMES = [
    (30, 0.004, "under a second for 30 steps, under 0.01 s each", "30 步：不到 1 秒；每步：不到 0.01 秒"),
    (30, 0.41, "12 s for 30 steps, 0.41 s each", "30 步：12 秒；每步：0.41 秒"),
    (1, 59.7, "about 1 min for 1 steps, 60 s each", "1 步：约 1 分钟；每步：60 秒"),
    (30, 6.1, "about 3 min for 30 steps, 6.10 s each", "30 步：约 3 分钟；每步：6.10 秒"),
    (500, 40.0, "about 5 h 33 min for 500 steps, 40 s each", "500 步：约 5 小时 33 分钟；每步：40 秒"),
]


def test_a_duration_is_told_no_more_exactly_than_it_is_known(model_folder: Path, tmp_path: Path):
    (tmp_path / "rows.jsonl").write_text(json.dumps({"prompt": "Why?", "completion": "Because."}) + "\n")
    recipe = {
        "method": "sft",
        "policy": str(model_folder),
        "data": {"train": str(tmp_path / "rows.jsonl")},
        "dtype": "float32",
    }
    found = check_session(open_session(Recipe.model_validate(recipe)))
    for steps, seconds, english, chinese in TIMES:
        line = replace(found, steps=steps, seconds_per_step=seconds).lines()[-1]
        assert line == f"time        {english}"
        assert told(line, "zh") == f"时间      {chinese}"
