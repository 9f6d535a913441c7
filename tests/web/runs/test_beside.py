"""Samples over time, numbers before and after, the way of reward against KL."""

from pathlib import Path

from truing.web.runs.beside import OF_STEP, SampleIndex, evaluations_of, frontier
from truing.web.runs.columns import open_log
from truing.web.runs.found import Finder

from .folders import add_evaluation, add_samples, make_run


def test_samples_are_found_by_step_and_read_on(tmp_path: Path):
    index = SampleIndex(tmp_path)
    index.update()
    assert index.steps == []
    add_samples(tmp_path, {1: "one", 5: "\x1b[31m五\u202e"})
    index.update()
    add_samples(tmp_path, {9: "nine"})
    with (tmp_path / "samples.jsonl").open("ab") as file:
        file.write(b'odd\n{"step": 10, "resp')
    index.update()
    assert index.steps == [1, 5, 9]
    (sample,) = index.of_step(5)
    assert (sample["response"], sample["response_language"], sample["reward"]) == ("五⟨U+202E⟩", "zh", 0.5)
    assert index.of_step(7) == []


def test_many_samples_of_a_step_are_cut(tmp_path: Path):
    for _ in range(OF_STEP + 3):
        add_samples(tmp_path, {1: "x" * 30_000})
    index = SampleIndex(tmp_path)
    index.update()
    assert len(index.of_step(1)) == OF_STEP
    assert "10,000 more characters" in index.of_step(1)[0]["response"]


def test_evaluations_of_a_run_are_those_inside_and_those_of_its_result(tmp_path: Path):
    run = make_run(tmp_path / "dpo")
    add_evaluation(run / "eval", str(run), title="Inside")
    add_evaluation(tmp_path / "later", str(run / "model"), title="Later")
    add_evaluation(tmp_path / "other", str(tmp_path / "else"), title="Other")
    (tmp_path / "odd").mkdir()
    odd = {"model": "m", "numbers": {"a": 3, "b": {"model": {"value": 1, "low": 3, "high": 2, "n": 0}}}}
    (tmp_path / "odd" / "results.json").write_text(str(odd).replace("'", '"'))
    folders = Finder([tmp_path]).folders()
    by_name = {folder.name: folder for folder in folders}
    tables = evaluations_of(by_name["dpo"], folders)
    assert [row.title for table in tables for row in table.rows] == ["Inside", "Later"]
    assert (tables[0].rows[0].before, tables[0].rows[0].after) == ("45.0%", "90.0%")
    (odd_table,) = evaluations_of(by_name["odd"], folders)
    assert odd_table.rows == []


def test_the_frontier_is_a_way_of_means(tmp_path: Path):
    log = open_log(make_run(tmp_path / "run", steps=600, kl=lambda step: step / 100, reward=lambda step: 2.0))
    log.update()
    way = frontier(log)
    assert len(way) == 60 and way[-1][0] == 600
    assert way[0][1:] == (0.055, 2.0), "the mean of 0.01 to 0.10"
    offline = open_log(make_run(tmp_path / "offline"))
    offline.update()
    assert frontier(offline) == []
