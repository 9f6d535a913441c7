"""The cache folder can be written, whatever the home is."""

import tempfile
from pathlib import Path

import pytest

from truing.core import places
from truing.core.errors import StorageError


@pytest.fixture(autouse=True)
def _alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("TRUING_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    (tmp_path / "temporary").mkdir()
    places._can_hold.cache_clear()


def test_it_is_the_one_that_is_named_or_the_users(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert places.cache_folder() == tmp_path / "home" / ".cache" / "truing"
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert places.cache_folder() == tmp_path / "xdg" / "truing"
    monkeypatch.setenv("TRUING_CACHE", str(tmp_path / "own"))
    assert places.cache_folder() == tmp_path / "own"


def test_a_home_that_is_no_folder_gives_way_to_a_private_temporary_one(tmp_path: Path) -> None:
    (tmp_path / "home").write_text("a file, as /dev/null is")
    found = places.cache_folder()
    assert found.parent == tmp_path / "temporary"
    assert found.stat().st_mode & 0o777 == 0o700


def test_a_temporary_folder_of_somebody_else_is_refused(tmp_path: Path) -> None:
    (tmp_path / "home").write_text("a file")
    found = places.cache_folder()
    found.chmod(0o777)
    with pytest.raises(StorageError, match="belongs to somebody else") as refused:
        places.cache_folder()
    assert "TRUING_CACHE" in refused.value.hint
    found.rmdir()
    found.symlink_to(tmp_path)
    with pytest.raises(StorageError):
        places.cache_folder()
