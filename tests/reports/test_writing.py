"""Pages written where a reader looks for them."""

from pathlib import Path

import pytest

from truing.core.errors import TruingError, UsageError
from truing.reports.writing import write_comparison, write_page


def test_a_run_has_its_page_in_its_folder_or_where_it_is_asked_for(run_folder, tmp_path: Path):
    folder = run_folder()
    written = write_page(folder, None, "en")
    assert written.page == folder / "report.html" and written.run is not None
    other = write_page(folder, tmp_path / "page.html", "zh").page
    assert 'lang="zh"' in other.read_text("utf-8") and 'lang="en"' in written.page.read_text("utf-8")


def test_the_page_of_an_evaluation_is_there_already(tmp_path: Path):
    folder = tmp_path / "eval"
    folder.mkdir()
    (folder / "results.json").write_text("{}")
    (folder / "items.jsonl").write_text("")
    with pytest.raises(UsageError, match="is missing"):
        write_page(folder, None, "en")
    (folder / "report.html").write_text("<html>")
    assert write_page(folder, None, "en").page == folder / "report.html"
    for target, language in ((tmp_path / "x.html", "en"), (None, "zh")):
        with pytest.raises(UsageError, match="written by `truing eval`"):
            write_page(folder, target, language)


def test_what_is_not_there_is_told(tmp_path: Path):
    with pytest.raises(TruingError, match="nowhere"):
        write_page(tmp_path / "nowhere", None, "en")
    with pytest.raises(UsageError, match="nowhere"):
        write_comparison([tmp_path / "nowhere"], tmp_path / "c.html", "en")
