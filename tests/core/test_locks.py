import os
import runpy
import sys
from pathlib import Path

import pytest

from truing.core import locks
from truing.core.errors import UsageError


def test_a_held_folder_is_free_again_when_its_holder_closes_it(tmp_path: Path):
    first, second = (os.open(tmp_path, os.O_RDONLY) for _ in range(2))
    locks.hold(first)
    assert not locks.try_hold(second)
    os.close(first)
    assert locks.try_hold(second)
    os.close(second)


def test_windows_is_sent_to_wsl(monkeypatch):
    monkeypatch.setattr(sys, "platform", "win32")
    with pytest.raises(UsageError, match="runs on Linux and macOS") as told:
        runpy.run_path(str(locks.__file__))
    assert "WSL" in told.value.hint
