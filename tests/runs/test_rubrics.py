"""Pass rates over a run: added up from its file, and a real run that is rewarded by rubrics."""

import json
from pathlib import Path

import pytest

import truing
from truing.config.run_folder import RUBRICS, RunFolder
from truing.core.files import read_jsonl
from truing.core.messages import told
from truing.judges.rubrics import ItemRate
from truing.runs.rubrics import rates_over, tell_flagged

from ..serving import Reply, Request, Server, completion


def write(path: Path, *rows: tuple[str, int, int]) -> Path:
    lines = [
        {"step": i, "when": "training", "reward": "rubric", "item": item, "met": met, "of": of}
        for i, (item, met, of) in enumerate(rows, 1)
    ]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


def test_rates_add_up_over_steps_and_what_tells_nothing_apart_is_said(tmp_path):
    path = write(
        tmp_path / RUBRICS, ("short", 4, 4), ("kind", 0, 2), ("short", 4, 4), ("kind", 0, 2), ("true", 1, 4)
    )
    assert rates_over(path) == [ItemRate("short", 8, 8), ItemRate("kind", 0, 4), ItemRate("true", 1, 4)]
    said: list[str] = []
    tell_flagged(path, said.append)
    assert said == [
        "the item 'short' was met by all of 8 responses: it tells none apart",
        "the item 'kind' was met by none of 4 responses: it tells none apart",
    ]
    assert told(said[0], "zh").startswith("条目 'short' 被全部 8 个回答满足")


def test_many_flagged_items_are_counted(tmp_path):
    path = write(tmp_path / RUBRICS, *((f"item {i}", 4, 4) for i in range(7)), ("true", 1, 4))
    said: list[str] = []
    tell_flagged(path, said.append)
    assert len(said) == 6
    assert said[-1].startswith("2 more of 8 items tell no responses apart")
    tell_flagged(tmp_path / "none.jsonl", said.append)
    assert len(said) == 6


def test_rows_of_steps_that_are_done_again_go(tmp_path):
    with RunFolder.open(tmp_path / "run") as folder:
        for step in (1, 2, 3):
            folder.log_rubric(step, {"item": "short", "met": 1, "of": 4})
        folder.rewind(2)
    assert [row["step"] for row in read_jsonl(tmp_path / "run" / RUBRICS)] == [1, 2]


def test_a_policy_is_trained_by_the_rubrics_of_its_rows(model_folder: Path, tmp_path: Path, monkeypatch):
    """The judge finds the first item met where a response has an odd length, and the second one never."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")

    def answer(request: Request) -> Reply:
        response = request.body["messages"][0]["content"].split("response>>")[1].split("<<")[0]
        return completion(f"1: {'yes' if len(response) % 2 else 'no'}\n2: no")

    server = Server(answer)
    try:
        run = truing.train(
            method="grpo",
            policy=model_folder,
            data=[{"prompt": f"say {i}", "rubric": ["is odd", "is a poem"]} for i in range(4)],
            rewards=[
                {"name": "rubric", "model": "wise", "base_url": f"{server.url}/v1", "api_key_env": None}
            ],
            online={"group_size": 4},
            sampling={"max_new_tokens": 6},
            lora={"r": 2},
            optim={"items_per_step": 2, "max_steps": 2},
            dtype="float32",
            progress=False,
        )
    finally:
        server.close()
    rows = read_jsonl(run.path / RUBRICS)
    assert [(row["step"], row["item"], row["of"]) for row in rows] == [
        (step, item, 8) for step in (1, 2) for item in ("is odd", "is a poem")
    ]
    first = run.metrics[0]
    assert first["rewards/rubric/never"] == 1
    assert first["reward"] == pytest.approx(rows[0]["met"] / 8 / 2)  # of two items, one can be met
    assert first["rewards/rubric/met"] == pytest.approx(rows[0]["met"] / 16)
    assert (run.path / "judge.sqlite").is_file()
