"""Contents of `pip install .` and of a wheel: everything but recipes, which `truing init` writes."""

import importlib.util
import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
# The verbs as users type them, one after the other, in one process: torch is imported once.
SESSION = """
import sys
from pathlib import Path

import truing
from truing.cli.main import main
from truing.cli.show import say, stage

assert Path(truing.__file__).is_relative_to(sys.argv[1]), truing.__file__
model = sys.argv[2]
for line in (
    ["--help"],
    ["init", "dpo", "--model", model],
    ["train", "dpo.yaml", "--set", "optim.max_steps=1"],
    ["report", "runs/dpo"],
):
    sys.argv = ["truing", *line]
    try:
        main()
    except SystemExit as ended:
        assert not ended.code, (line, ended.code)

from truing.evals.suites.headlines import load_headlines
from truing.pipelines.quickstart import quickstart

english = [headline for headline in load_headlines() if headline.language == "en"]
few = [[h for h in english if h.split == split][:count] for split, count in (("train", 3), ("held_out", 2))]
quickstart(Path("quickstart"), say, stage, policy=model, headlines=few[0] + few[1])
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of this checkout, built as `pip wheel .` builds it; without an index where it can be."""
    folder = tmp_path_factory.mktemp("wheel")
    at_hand = importlib.util.find_spec("hatchling") is not None
    command = [
        sys.executable,
        "-m",
        "pip",
        "wheel",
        "--quiet",
        "--no-deps",
        *(["--no-build-isolation", "--no-index"] if at_hand else []),
        "--wheel-dir",
        str(folder),
        str(ROOT),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (built,) = folder.glob("truing-*.whl")
    return built


def tracked(*folders: str) -> set[str]:
    """Every file that lies below these folders, but what Python makes there."""
    found = (path for folder in folders for path in (ROOT / folder).rglob("*") if path.is_file())
    return {str(path.relative_to(ROOT)) for path in found if "__pycache__" not in path.parts}


def test_the_wheel_holds_every_file_of_the_package(wheel: Path):
    with zipfile.ZipFile(wheel) as archive:
        held = set(archive.namelist())
        (points,) = (name for name in held if name.endswith("entry_points.txt"))
        assert "truing = truing.cli.start:run" in archive.read(points).decode()
    names = {name.removeprefix("src/") for name in tracked("src/truing")}
    names |= {name.replace("examples/rows", "truing/samples") for name in tracked("examples/rows")}
    assert {Path(name).suffix for name in names} >= {".py", ".jsonl", ".md", ".j2", ".css", ".js", ".txt"}
    assert names - held == set()
    assert {name for name in held if ".dist-info/" not in name} - names == set()


def test_a_recipe_a_run_a_report_and_the_quickstart_in_an_empty_folder(
    wheel: Path, model_folder: Path, tmp_path: Path
):
    installed, here = tmp_path / "installed", tmp_path / "here"
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(installed)  # what `pip install --target` lays down
    here.mkdir()
    env = {**os.environ, "PYTHONPATH": str(installed), "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
    command = [sys.executable, "-c", SESSION, str(installed), str(model_folder)]
    done = subprocess.run(command, capture_output=True, text=True, env=env, cwd=here, check=False)
    assert done.returncode == 0, done.stderr
    assert len((here / "runs" / "dpo" / "metrics.jsonl").read_text().splitlines()) == 1
    for page in (here / "runs" / "dpo" / "report.html", here / "quickstart" / "report.html"):
        assert "<html" in page.read_text()[:2000]
    assert (
        json.loads((here / "quickstart" / "summary.json").read_text())["intervals"]["harmful_refused"]["n"]
        == 2
    )
