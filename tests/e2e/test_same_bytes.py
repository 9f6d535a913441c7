"""Two equal runs leave equal files, whatever seed Python gives its hashes."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from huggingface_hub import constants

from ..verbs import Ended, Ran

OF_TIME = {"seconds", "tokens_per_second", "updated", "pid", "host", "output"}
HELD = {"run.lock"}  # names a process


def content_of(path: Path) -> object:
    """Read a file; of JSON without the values that tell when, where and by which process it was written."""
    if path.suffix not in (".json", ".jsonl"):
        return path.read_bytes()
    return [_timeless(json.loads(line)) for line in _texts(path)]


def _texts(path: Path) -> list[str]:
    return [path.read_text()] if path.suffix == ".json" else path.read_text().splitlines()


def _timeless(value: object) -> object:
    if isinstance(value, dict):
        kept = {key: _timeless(one) for key, one in value.items() if key not in OF_TIME}
        return list(kept.items())  # in their order, which is part of the bytes
    return [_timeless(one) for one in value] if isinstance(value, list) else value


def test_run_folders_do_not_hang_on_the_seed_of_hashes(
    recipe: Callable[..., Path],
    here: Callable[..., Ended],
    truing: Callable[..., Ran],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """One run in this process and one in another, each of which has drawn a seed."""
    folders = [tmp_path / name / "run" for name in ("here", "there")]
    for run in folders:
        run.parent.mkdir()
        asked = recipe(lora={"r": 2, "targets": "all-linear"}, output="run")
        monkeypatch.chdir(run.parent)
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)  # as in the other process: tokenizers note it
        monkeypatch.setenv("TRUING_CACHE", str(run.parent / "cache"))
        done = (here if run == folders[0] else truing)("train", asked)
        assert done.returncode == 0, done.stderr
    names = [{str(path.relative_to(one)) for path in one.rglob("*") if path.is_file()} for one in folders]
    assert names[0] == names[1]
    compared = sorted(name for name in names[0] if Path(name).name not in HELD)
    assert any(name.endswith("adapter_config.json") for name in compared)
    differ = [n for n in compared if content_of(folders[0] / n) != content_of(folders[1] / n)]
    assert differ == []
