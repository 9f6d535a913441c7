"""The promises in the help of `doctor` and `schema`, against what they print."""

import importlib.util
import json
import shutil
from importlib import metadata
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from truing.config.config import load_recipe
from truing.config.documents import read_document

ROOT = Path(__file__).parents[2]
RECIPES = [path for path in sorted((ROOT / "recipes").glob("*.yaml")) if "\nmethod:" in path.read_text()]


@pytest.fixture(autouse=True)
def _wide(monkeypatch: pytest.MonkeyPatch):
    """Panels wide enough for the long paths of tests; lines must not depend on it."""
    monkeypatch.setenv("COLUMNS", "600")


def test_doctor_says_what_the_machine_can_do(truing, tmp_path, monkeypatch):
    monkeypatch.setenv("TRUING_CACHE", str(tmp_path / "cache"))
    done = truing("doctor", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    rows = {line[:14].rstrip(): line[14:] for line in done.stdout.splitlines()}
    for library in ("torch", "transformers", "peft"):
        assert rows[library] == metadata.version(library)
    assert rows["model cache"] == str(tmp_path / "cache")
    assert rows["processor"].endswith(", 1 thread")  # what the fixture sets
    free = shutil.disk_usage(tmp_path).free / 1e9
    assert float(rows["disk"].split()[0]) == pytest.approx(free, abs=2)
    assert rows["bfloat16"]
    absent = [name for name in ("pyarrow", "zstandard") if importlib.util.find_spec(name) is None]
    assert ("for Parquet and .zst files" in done.stderr) == bool(absent)


def test_doctor_says_what_is_missing(started, tmp_path, monkeypatch):
    (tmp_path / "sitecustomize.py").write_text(
        "import shutil, sys, types\n"
        "sys.modules['zstandard'] = sys.modules['pyarrow'] = None\n"
        "shutil.disk_usage = lambda path: types.SimpleNamespace(free=1e9)\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    done = started("doctor")
    assert done.returncode == 0, done.stderr
    told = "missing: pyarrow and zstandard, for Parquet and .zst files: pip install pyarrow zstandard"
    assert told in done.stderr
    assert "missing: disk space" in done.stderr


def test_schema_accepts_every_shipped_recipe_and_refuses_a_misspelt_one(truing):
    done = truing("schema")
    assert done.returncode == 0, done.stderr
    schema = json.loads(done.stdout)
    assert schema["$schema"].startswith("https://json-schema.org/")
    allowed = Draft202012Validator(schema)
    assert len(RECIPES) >= 3
    for path in RECIPES:
        allowed.validate(read_document(path).plain())
        allowed.validate(load_recipe(path).recipe.model_dump(mode="json"))
    good = read_document(RECIPES[0]).plain()
    for bad, word in (
        (good | {"optim": {"learnng_rate": 1e-5}}, "learnng_rate"),
        (good | {"optim": {"epochs": 0}}, "minimum of 0"),
        (good | {"seed": "three"}, "integer"),
        ({key: good[key] for key in good if key != "policy"}, "required"),
    ):
        assert word in str(list(allowed.iter_errors(bad)))
