"""The end of a run, compared with that of another."""

from pathlib import Path
from typing import Any

from truing.config.run_folder import SAMPLES, read_metrics


def last_checkpoint(path: Path) -> dict[str, bytes]:
    newest = sorted((path / "checkpoints").glob("step-*"))[-1]
    return {file.name: file.read_bytes() for file in newest.iterdir()}


def log_of(path: Path) -> list[dict[str, Any]]:
    return [{key: value for key, value in row.items() if "second" not in key} for row in read_metrics(path)]


def assert_same(ours: Path, theirs: Path) -> None:
    """Require every byte of the last checkpoint, every number that was logged, and every sample."""
    mine, yours = last_checkpoint(ours), last_checkpoint(theirs)
    assert mine.keys() == yours.keys() >= {"model.safetensors", "optimizer.safetensors", "state.json"}
    assert [name for name in mine if mine[name] != yours[name]] == []
    assert log_of(ours) == log_of(theirs)
    samples = [path / SAMPLES for path in (ours, theirs)]
    assert samples[0].exists() is samples[1].exists()
    assert not samples[0].exists() or samples[0].read_bytes() == samples[1].read_bytes()
