"""The line of a folder, from the ends of its files."""

import json
import os
from pathlib import Path

from truing.config.run_folder import RunFolder, RunState, ask_to_stop
from truing.core.words import speaking
from truing.web.runs.found import Finder
from truing.web.runs.summary import (
    KINDS,
    STATES,
    alarms_of,
    grouped,
    last_row,
    line_of,
    memory_of,
    short,
    shown_metrics,
)

from .folders import add_alarm, add_evaluation, make_run


def lines(*roots: Path):
    folders = Finder(roots).folders()
    return {line.name: line for line in grouped(folders, [line_of(folder) for folder in folders])}


def test_a_run_in_a_line(tmp_path: Path):
    run = make_run(
        tmp_path / "dpo", steps=60, state=RunState.STOPPED, reason="stopped on request after step 60"
    )
    add_alarm(run)
    line = lines(tmp_path)["dpo"]
    assert (line.kind, line.state, line.told, line.method, line.step) == (
        "training",
        "stopped",
        "stopped",
        "DPO",
        60,
    )
    assert [name for name, _ in line.metrics] == ["loss", "rewards/accuracies", "tokens_per_second"]
    assert (line.alarms, line.reason) == (1, "stopped on request after step 60")
    with speaking("zh"):
        told = lines(tmp_path)["dpo"]
        assert (told.told, told.reason) == ("已停止", "第 60 步之后按请求停止")


def test_running_needs_a_process_that_lives(tmp_path: Path):
    run = make_run(tmp_path / "run", state=RunState.RUNNING)
    assert lines(tmp_path)["run"].state == "gone"
    with RunFolder.open(run):
        assert lines(tmp_path)["run"].state == "running"
        found = memory_of(run)
        assert found is not None and 1e6 < found[0] <= found[1]
        ask_to_stop(run)
        assert lines(tmp_path)["run"].state == "stopping"
    assert memory_of(run) is None


def test_a_damaged_folder_says_so_and_hides_no_other(tmp_path: Path):
    make_run(tmp_path / "good")
    for name, file, content in (
        ("state", "status.json", '{"state": "odd"}'),
        ("status", "status.json", "[]"),
        ("cut", "status.json", "{"),
        ("health", "health.jsonl", '{"rule": "label_noise"}\n'),
        ("lock", "run.lock", '{"pid": "x", "host": 3, "birth": []}'),
    ):
        (make_run(tmp_path / name) / file).write_text(content)
    found = lines(tmp_path)
    assert found["good"].state == "done"
    assert all(found[name].reason for name in ("state", "status", "cut", "health"))


def test_an_evaluation_in_a_line(tmp_path: Path):
    add_evaluation(tmp_path / "eval", "runs/dpo", harmlessness=0.9)
    line = lines(tmp_path)["eval"]
    assert (line.kind, line.state, line.policy) == ("evaluation", "done", "runs/dpo")
    assert line.metrics == (("Harmful prompts refused", 0.9),) and line.method == "against org/model"


def test_stages_stand_below_their_pipeline(tmp_path: Path):
    make_run(tmp_path / "both" / "sft", method="sft")
    make_run(
        tmp_path / "both" / "dpo", policy=str(tmp_path / "both" / "sft" / "merged"), state=RunState.FAILED
    )
    make_run(tmp_path / "other")
    found = lines(tmp_path)
    assert found["both"].kind == "pipeline" and found["both"].method == "1 of 2 stages done"
    assert found["both"].state == "failed"
    assert found["sft"].stage_of == found["dpo"].stage_of == found["both"].id and not found["other"].stage_of
    assert list(found).index("both") < list(found).index("dpo")


def test_a_run_that_builds_on_no_neighbour_is_no_stage(tmp_path: Path):
    make_run(tmp_path / "a")
    make_run(tmp_path / "ab", policy=str(tmp_path / "abc"))
    assert not any(line.stage_of for line in lines(tmp_path).values())


def test_a_finding_of_an_unknown_rule_is_left_out(tmp_path: Path):
    run = make_run(tmp_path / "run")
    add_alarm(run, rule="from_the_future")
    add_alarm(run, saw="\x1b[31m<script>")
    (alarm,) = alarms_of(run)
    assert alarm.title == "The labels look like noise"


def test_the_last_row_is_read_from_the_end(tmp_path: Path):
    path = tmp_path / "m"
    assert last_row(path) is None
    path.write_bytes(b'{"step": 1}\n{"step": 2}\n["step"]\nodd\n{"step": 3')
    assert last_row(path) == {"step": 2}
    with path.open("ab") as file:
        os.truncate(path, 0)
        file.write(b"x" * 3_000_000)
    assert last_row(path) is None
    assert shown_metrics({"step": 1, "loss": None, "kl": True, "reward": float("inf")}) == (("kl", 1.0),)


def test_a_text_is_cut_and_plain():
    assert short("a\x1b[31mb\u202e") == "ab⟨U+202E⟩" and len(short("x" * 10_000)) < 400


def test_words_of_tables_have_chinese():
    with speaking("zh"):
        from truing.core.words import t

        for text in (*STATES.values(), *KINDS.values()):
            assert t(text) != text


def test_rows_that_a_verb_made_are_in_the_list(tmp_path: Path):
    (tmp_path / "made").mkdir()
    (tmp_path / "made" / "config.json").write_text(json.dumps({"recipe": {"verb": "feedback"}}))
    assert (lines(tmp_path)["made"].state, lines(tmp_path)["made"].method) == ("stopped", "feedback")
    (tmp_path / "made" / "results.json").write_text("{}")
    assert lines(tmp_path)["made"].state == "done"
