"""Folders are found by what is in them; links lead nowhere."""

import json
from pathlib import Path

import pytest

from truing.web.runs import found
from truing.web.runs.found import Finder, FolderKind, read_object

from ...event_bytes import event, simple
from .folders import add_evaluation, make_run


def kinds(*roots: Path) -> dict[str, FolderKind]:
    return {folder.name: folder.kind for folder in Finder(roots).folders()}


def test_every_kind_of_folder_is_recognised(tmp_path: Path):
    run = make_run(tmp_path / "dpo")
    (run / "checkpoints" / "step-1").mkdir(parents=True)
    (run / "model").mkdir()
    (run / "model" / "config.json").write_text('{"model_type": "llama"}')
    add_evaluation(run / "eval", str(run))
    for name, file, content in (
        ("made", "config.json", {"recipe": {"verb": "feedback"}}),
        ("quick", "summary.json", {"topics": [1, 2], "planned_seconds": 3}),
        ("hard", "plan.json", {"topics": 1, "minutes": 2}),
        ("trl/checkpoint-3", "trainer_state.json", {"log_history": [{"step": 1, "loss": 1}]}),
        ("nothing", "config.json", {"model_type": "llama"}),
        ("rows", "rows.jsonl", {"prompt": "p"}),
        ("verl", "log.jsonl", {"step": 1, "data": {"actor/grad_norm": 1}}),
    ):
        (tmp_path / name).mkdir(parents=True)
        (tmp_path / name / file).write_text(json.dumps(content) + "\n")
    (tmp_path / "board").mkdir()
    (tmp_path / "board" / "events.out.tfevents.1").write_bytes(event(1, simple("a", 1.0)))
    assert kinds(tmp_path) == {
        "board": FolderKind.LOG,
        "dpo": FolderKind.RUN,
        "eval": FolderKind.EVALUATION,
        "hard": FolderKind.PIPELINE,
        "made": FolderKind.ROWS,
        "quick": FolderKind.PIPELINE,
        "trl": FolderKind.LOG,
        "verl": FolderKind.LOG,
    }
    assert kinds(run)["dpo"] == FolderKind.RUN, "a run folder itself may be named"


def test_links_to_elsewhere_are_not_followed(tmp_path: Path):
    secret = make_run(tmp_path / "secret")
    root = tmp_path / "shown"
    root.mkdir()
    (root / "link").symlink_to(secret)
    for name in ("config.json", "status.json", "metrics.jsonl", "samples.jsonl"):
        folder = make_run(root / f"with-{name}")
        (folder / name).unlink(missing_ok=True)
        (folder / name).symlink_to(secret / name)
    log = root / "log"
    log.mkdir()
    (log / "own.jsonl").symlink_to(secret / "metrics.jsonl")
    assert kinds(root) == {}


def test_an_id_is_known_of_found_folders_alone(tmp_path: Path):
    finder = Finder([make_run(tmp_path / "run")])
    (folder,) = finder.folders()
    assert finder.by_id(folder.id) == folder
    for key in ("", "..", "/etc", "0" * 12, str(tmp_path), "%2e%2e"):
        assert finder.by_id(key) is None


def test_a_new_folder_is_found_after_a_while(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    finder = Finder([tmp_path])
    assert finder.folders() == []
    make_run(tmp_path / "run")
    assert finder.folders() == [], "a look counts for two seconds"
    monkeypatch.setattr(found.time, "monotonic", lambda: 1e12)
    assert [folder.name for folder in finder.folders()] == ["run"]


def test_no_more_is_read_than_a_page_can_use(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    path = tmp_path / "a.json"
    for content, read in (("[1]", None), ("{", None), ("[" * 100_000, None), ('{"a": 1}', {"a": 1})):
        path.write_text(content)
        assert read_object(path) == read
    monkeypatch.setattr(found, "MOST_BYTES", 3)
    assert read_object(path) is None and read_object(tmp_path / "none") is None
