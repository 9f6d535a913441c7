"""Rows of pairs, a run on them, and a folder of its own for every call."""

from pathlib import Path

import pytest

import truing


@pytest.fixture(autouse=True)
def _elsewhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Work in an empty folder, where calls without `output` leave their files."""
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def pairs() -> list[dict[str, str]]:
    return [{"prompt": f"say {n}", "chosen": f"yes {n}", "rejected": "no"} for n in range(6)]


@pytest.fixture
def trained(_elsewhere: None, model_folder: Path, pairs: list[dict[str, str]]) -> truing.Run:
    """One step of DPO with an adapter."""
    optim = {"max_steps": 1, "items_per_step": 3}
    keys = {"optim": optim, "lora": {"r": 2}, "dtype": "float32", "progress": False}
    return truing.train(method="dpo", policy=model_folder, data=pairs, **keys)
