"""`truing.trust_code` accepts what recipes name, for this process."""

import sys
from pathlib import Path

import pytest

import truing
from truing.config import trust
from truing.core.errors import ConfigError


def test_a_recipe_runs_its_own_code_once_it_is_trusted(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "own_of_mine.py").write_text("def one(text):\n    return 1.0\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setenv("TRUING_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(trust, "_consent", trust._Consent())
    with pytest.raises(ConfigError, match="nobody has accepted") as refused:
        trust.require_trust("own_of_mine")
    assert "truing.trust_code()" in refused.value.hint
    truing.trust_code()
    trust.require_trust("own_of_mine")
    assert "own_of_mine" not in sys.modules
