"""The Python of docs/python.md, README and the notebook is run, on a tiny model."""

import ast
import re
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient

ROOT = Path(__file__).parent.parent
NAMED = re.compile(r'^MODEL = "[^"]+"', re.MULTILINE)
PAGES = ("docs/python.md", "README.md")
NOTEBOOK = ROOT / "examples" / "first_run.ipynb"


def blocks(page: str) -> list[str]:
    """The Python blocks of a page that are no quotes of a file."""
    found = re.findall(r"```python\n(.*?)```", (ROOT / page).read_text("utf-8"), re.DOTALL)
    return [block for block in found if not block.startswith("# ")]


@pytest.fixture
def elsewhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    (tmp_path / "prompts.jsonl").write_text('{"prompt": "say a"}\n{"prompt": "say b"}\n')
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OMP_NUM_THREADS", "1")  # of the notebook's kernel: tests run side by side
    return tmp_path


@pytest.mark.parametrize("page", PAGES)
def test_every_block_of_a_page_runs_in_order(page: str, elsewhere: Path, model_folder: Path):
    found = blocks(page)
    assert found and NAMED.search(found[0])
    space: dict[str, Any] = {}
    for block in found:
        exec(compile(NAMED.sub(f"MODEL = {str(model_folder)!r}", block), page, "exec"), space)
    if page == PAGES[0]:
        assert space["run"].status.state == "done" and space["run"].status.step == 4
        assert float(space["dpo"](space["policy"], space["ref"], beta=0.1)) == pytest.approx(0.5981, abs=1e-4)


def test_the_chinese_readme_runs_what_the_english_one_runs():
    """Comments aside: so its blocks need no run of their own."""
    english, chinese = (
        [ast.dump(ast.parse(block)) for block in blocks(page)] for page in ("README.md", "README.zh-CN.md")
    )
    assert chinese == english


def test_the_notebook_runs(elsewhere: Path, model_folder: Path):
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert NAMED.search(code[0].source)
    code[0].source = NAMED.sub(f"MODEL = {str(model_folder)!r}", code[0].source)
    NotebookClient(notebook, timeout=300, kernel_name="python3").execute(cwd=str(elsewhere))
    shown = [str(output) for cell in code for output in cell.outputs]
    assert any("<table>" in one for one in shown), "a run and an evaluation are shown as tables"
    assert all(cell.execution_count for cell in code)


def test_the_notebook_is_committed_without_output():
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    assert all(not cell.get("outputs") for cell in notebook.cells)
